# What the benches share: ports, waiting for servers, and the CPU time and latency of a server under wrk. Sourced, with
# `seconds` and `connections` set, and two tables by subject: `port`, and `process` (the id whose CPU time counts).
# `wrk_flags` may hold more flags for wrk.
# shellcheck shell=bash disable=SC2154
wrk_flags=()

# A port above $1 on which nobody listens.
free_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

await() { # URL LOG
    for _ in $(seq 200); do
        curl --silent --fail --output /dev/null --noproxy '*' "$1" && return
        sleep 0.05
    done
    echo "$1 does not answer" >&2
    cat "$2" >&2
    exit 1
}

# Clock ticks that a process and its children (nginx's workers) have used.
ticks() {
    local pid total=0 stat
    for pid in "$1" $(pgrep -P "$1" || true); do
        stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
        read -r -a stat <<<"${stat##*) }"
        total=$((total + stat[11] + stat[12]))
    done
    echo "$total"
}

# One line: subject, load, CPU microseconds a request, p50 and p99 in microseconds, requests.
measure() { # SUBJECT LOAD
    local url="http://127.0.0.1:${port[$1]}" before after out
    local flags=(-t1 -c"$connections" -s "tests/bench/$2.lua" "${wrk_flags[@]}")
    wrk "${flags[@]}" -d1s "$url" >/dev/null
    before=$(ticks "${process[$1]}")
    out=$(wrk "${flags[@]}" -d"${seconds}s" --latency "$url")
    after=$(ticks "${process[$1]}")
    if grep -qE 'Non-2xx|Socket errors' <<<"$out"; then
        echo "$1 did not answer every $2 well:" >&2
        grep -E 'Non-2xx|Socket errors' <<<"$out" >&2
        exit 1
    fi
    awk -v subject="$1" -v load="$2" -v ticks="$((after - before))" -v rate="$(getconf CLK_TCK)" '
        function micros(text) {
            if (text ~ /us$/) return text + 0
            if (text ~ /ms$/) return text * 1000
            return text * 1000000
        }
        /requests in/ { requests = $1 }
        $1 == "50%" { p50 = micros($2) }
        $1 == "99%" { p99 = micros($2) }
        END { printf "%s %s %.2f %.0f %.0f %d\n", subject, load, ticks / rate * 1e6 / requests, p50, p99, requests }
    ' <<<"$out"
}
