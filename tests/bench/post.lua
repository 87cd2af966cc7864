-- A task of about 1.4 kB as an agent posts it: nested, mostly prose, its title changing.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
wrk.headers["Accept"] = "application/json"

local prose = string.rep("Collect last week's support mails, group them by product and draft a reply for each group. ", 13)
local turn = 0

function request()
  turn = turn + 1
  local body = '{"title":"Mail digest ' .. turn .. '","priority":2,"labels":["support","weekly"],'
    .. '"owner":{"name":"Noor Haddad","team":"care"},"description":"' .. prose .. '"}'
  return wrk.format(nil, "/api/v1/tasks", nil, body)
end
