#!/usr/bin/env bash
# CPU per request and latency of GETs through the gateway: without quotas, with one and with four of them counted in
# memory, and with as many counted in Redis. Same origin, same load, nothing inspected, no quota ever spent; the subjects
# take turns, so that what else the machine does falls on all of them alike. Ran by limits.sh.
#
# usage: proxy.sh     environment: ROUNDS (3), SECONDS_EACH (4), CONNECTIONS (32), RAMPART (the binary)
set -eu -o pipefail
cd "$(dirname "$0")/../../.."
. tests/bench/measure.sh

rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-4}
connections=${CONNECTIONS:-32}
release=${CARGO_TARGET_DIR:-target}/release
rampart=${RAMPART:-$release/rampart}
scratch=$(mktemp -d)
pids=()
declare -A port=() process=() admin=()

finish() {
    local pid
    # Nobody needs to be told that they were killed.
    disown -a
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done; done
    rm -rf "$scratch"
}
trap finish EXIT

origin=$(free_port 19900)
"$release/bench-origin" "127.0.0.1:$origin" >"$scratch/origin.log" 2>&1 & pids+=($!)
await "http://127.0.0.1:$origin/" "$scratch/origin.log"

subjects=(none memory-1 memory-4)
redis=$(command -v redis-server || true)
if [ -n "$redis" ]; then
    redis_port=$(free_port 20000)
    "$redis" --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --dir "$scratch" >"$scratch/redis.log" 2>&1 & pids+=($!)
    subjects+=(redis-1 redis-4)
else
    echo "redis-server is missing: what it adds is not measured"
fi

start() { # SUBJECT QUOTAS
    local folder=$scratch/$1 quota
    mkdir -p "$folder/rules"
    port[$1]=$(free_port $((20100 + 20 * ${#port[@]})))
    admin[$1]=$(free_port $((20500 + 20 * ${#port[@]})))
    cat >"$folder/config.toml" <<TOML
version = 1
rules = "rules"
[listener.main]
address = "127.0.0.1:${port[$1]}"
[probe]
address = "127.0.0.1:${admin[$1]}"
[log.access]
to = "file"
path = "access.log"
[upstream.agents]
addresses = ["http://127.0.0.1:$origin"]
TOML
    case "$1" in
        redis-*)
            printf '[redis]\nurl = "redis://127.0.0.1:%s"\nprefix = "%s"\ncommand_deadline = "100ms"\ncluster_key = "secret://env/BENCH_CLUSTER_KEY"\n' \
                "$redis_port" "$1" >>"$folder/config.toml" ;;
    esac
    cat >"$folder/rules/bench.toml" <<TOML
version = 1
[profile.default]
mode = "off"
[[route]]
name = "all"
match = { path = "/**" }
upstream = "agents"
quotas = [$2]
TOML
    for quota in $2; do
        case "$quota" in
            *gcra*) printf '[quota.gcra]\nlimit = 1_000_000_000\nper = "60s"\n' ;;
            *window*) printf '[quota.window]\nalgorithm = "window"\nlimit = 1_000_000_000\nper = "day"\n' ;;
            *log*) printf '[quota.log]\nalgorithm = "sliding_log"\nlimit = 10_000\nper = "20ms"\n' ;;
            *flight*) printf '[quota.flight]\nconcurrency = 100_000\n' ;;
        esac
    done >>"$folder/rules/bench.toml"
    (cd "$folder" && exec env BENCH_CLUSTER_KEY="$(head -c 32 /dev/urandom | base64)" \
        "$rampart" run --config config.toml) >"$folder/log" 2>&1 & pids+=($!)
    process[$1]=$!
    await "http://127.0.0.1:${admin[$1]}/ready" "$folder/log"
}

rampart=$(realpath "$rampart")
four='"gcra", "window", "log", "flight"'
start none ''
start memory-1 '"gcra"'
start memory-4 "$four"
if [ -n "$redis" ]; then
    start redis-1 '"gcra"'
    start redis-4 "$four"
    sleep 2
fi

for _ in $(seq "$rounds"); do
    for subject in "${subjects[@]}"; do measure "$subject" get >>"$scratch/results"; done
done

# A figure for Redis is one only where Redis was asked each time.
for subject in "${subjects[@]}"; do
    case "$subject" in
        redis-*)
            metrics=$(curl --silent --noproxy '*' "http://127.0.0.1:${admin[$subject]}/metrics")
            awk -v subject="$subject" '
                /^rampart_quota_decisions_total.*source="fallback"/ { alone += $NF }
                /^rampart_quota_decisions_total.*source="redis"/ { asked += $NF }
                /^rampart_redis_commands_total[{]command="take"/ { scripts += $NF }
                END {
                    quotas = subject ~ /4$/ ? 4 : 1
                    printf "%s: %d requests, %.3f scripts a request, %d decisions without Redis\n", subject, asked / quotas, scripts * quotas / asked, alone
                    if (alone > asked / 1000 || !asked) { print "Redis was not asked: this is no figure of it"; exit 1 }
                }' <<<"$metrics" ;;
    esac
done

echo "$rounds rounds of $seconds s on $connections connections, $(nproc) processors; the middle of the rounds is shown"
awk -v subjects="${subjects[*]}" '
    function middle(list,    parts, count, i, j, swap) {
        count = split(list, parts, " ")
        for (i = 2; i <= count; i++)
            for (j = i; j > 1 && parts[j - 1] + 0 > parts[j] + 0; j--) { swap = parts[j]; parts[j] = parts[j - 1]; parts[j - 1] = swap }
        return count % 2 ? parts[(count + 1) / 2] : (parts[count / 2] + parts[count / 2 + 1]) / 2
    }
    function judge(what, value, target) {
        if (value > target) missed = 1
        printf "%-44s %+6.1f us of CPU a request; target: at most %d us: %s\n", what, value, target, value <= target ? "met" : "MISSED"
    }
    { cpu[$1] = cpu[$1] " " $3; p50[$1] = p50[$1] " " $4; p99[$1] = p99[$1] " " $5; n[$1] += $6 }
    END {
        count = split(subjects, name, " ")
        printf "\n%-10s %12s %10s %10s %10s   %s\n", "quotas", "CPU us/req", "p50 us", "p99 us", "requests", "CPU of each round"
        for (s = 1; s <= count; s++)
            printf "%-10s %12.1f %10.0f %10.0f %10d  %s\n", name[s], middle(cpu[name[s]]), middle(p50[name[s]]), middle(p99[name[s]]), n[name[s]], cpu[name[s]]
        print ""
        judge("one quota in memory adds", middle(cpu["memory-1"]) - middle(cpu["none"]), 3)
        judge("four quotas in memory add", middle(cpu["memory-4"]) - middle(cpu["none"]), 8)
        if (count > 3) {
            judge("one quota in Redis adds", middle(cpu["redis-1"]) - middle(cpu["none"]), 40)
            judge("four quotas in Redis add", middle(cpu["redis-4"]) - middle(cpu["none"]), 60)
        }
        exit missed
    }
' "$scratch/results"
