-- A small GET as a dashboard sends it: three query parameters, one of which changes.
wrk.method = "GET"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
wrk.headers["Accept"] = "application/json"

local turn = 0

function request()
  turn = turn + 1
  return wrk.format(nil, "/api/v1/agents?limit=50&status=ready&skip=" .. (turn % 500))
end
