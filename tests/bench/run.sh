#!/usr/bin/env bash
# CPU per request and latency of Rampart as shipped (config.toml and rules/, access log to a file), beside a bare Pingora
# proxy of the same build and, where installed, nginx as a proxy with its access log on. Same origin, same loads, same run:
# the subjects take turns, so that what else the machine does falls on all of them alike.
#
# CPU (user and system time of the subject's processes, divided by its requests) is the figure to go by on a machine that
# is shared; latency is printed beside it. The target is what Rampart may cost more than the bare proxy.
#
# usage: run.sh     environment: ROUNDS (3), SECONDS_EACH (4), CONNECTIONS (32)
set -eu -o pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-4}
connections=${CONNECTIONS:-32}
release=${CARGO_TARGET_DIR:-target}/release
scratch=$(mktemp -d)
pids=()
declare -A port process

# nginx is asked, so that its workers go too; the others would drain for as long as their grace period.
finish() {
    for pid in "${pids[@]}"; do
        if [ "$pid" = "${process[nginx]:-}" ]; then kill "$pid" 2>/dev/null || true; else kill -KILL "$pid" 2>/dev/null || true; fi
    done
    wait 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT

. tests/bench/measure.sh

origin=$(free_port 19000)
"$release/bench-origin" "127.0.0.1:$origin" >"$scratch/origin.log" 2>&1 & pids+=($!)
await "http://127.0.0.1:$origin/" "$scratch/origin.log"

subjects=(bare)
port[bare]=$(free_port 19100)
"$release/bare-proxy" "127.0.0.1:${port[bare]}" "127.0.0.1:$origin" "$(nproc)" >"$scratch/bare.log" 2>&1 & pids+=($!)
process[bare]=$!
await "http://127.0.0.1:${port[bare]}/" "$scratch/bare.log"

nginx=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx || true)
if [ -n "$nginx" ]; then
    subjects+=(nginx)
    port[nginx]=$(free_port 19200)
    cat >"$scratch/nginx.conf" <<CONF
daemon off; worker_processes auto; pid $scratch/nginx.pid; error_log $scratch/nginx.err;
events { worker_connections 4096; }
http {
    access_log $scratch/nginx.access combined buffer=64k flush=1s;
    keepalive_requests 1000000;
    client_body_temp_path $scratch/nginx.body; proxy_temp_path $scratch/nginx.proxy;
    fastcgi_temp_path $scratch/nginx.fastcgi; uwsgi_temp_path $scratch/nginx.uwsgi; scgi_temp_path $scratch/nginx.scgi;
    upstream origin { server 127.0.0.1:$origin; keepalive 128; }
    server {
        listen 127.0.0.1:${port[nginx]};
        location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://origin; }
    }
}
CONF
    "$nginx" -c "$scratch/nginx.conf" >"$scratch/nginx.log" 2>&1 & pids+=($!)
    process[nginx]=$!
    await "http://127.0.0.1:${port[nginx]}/" "$scratch/nginx.log"
fi

subjects+=(rampart)
port[rampart]=$(free_port 19300)
admin=$(free_port 19400)
mkdir "$scratch/var"
RAMPART_ADMIN_TOKEN=bench-$RANDOM$RANDOM$RANDOM$RANDOM \
RAMPART__LISTENER__MAIN__ADDRESS="127.0.0.1:${port[rampart]}" \
RAMPART__ADMIN__ADDRESS="127.0.0.1:$admin" RAMPART__PROBE__ADDRESS="127.0.0.1:$admin" \
RAMPART__UPSTREAM__AGENTS__ADDRESSES="[\"http://127.0.0.1:$origin\"]" \
RAMPART__LOG__ACCESS__TO=file RAMPART__LOG__ACCESS__PATH="$scratch/var/access.log" \
RAMPART__LOG__EVENTS__PATH="$scratch/var/events.log" RAMPART__LOG__ADMIN__PATH="$scratch/var/admin.log" \
RAMPART__STORAGE__PATH="$scratch/var/rampart.db" \
    "$release/rampart" run --config config.toml >"$scratch/rampart.log" 2>&1 & pids+=($!)
process[rampart]=$!
await "http://127.0.0.1:$admin/ready" "$scratch/rampart.log"

echo "$rounds rounds of $seconds s on $connections connections, $(nproc) processors; the middle of the rounds is shown"
for round in $(seq "$rounds"); do
    for load in get post; do
        for subject in "${subjects[@]}"; do
            measure "$subject" "$load" >>"$scratch/results"
        done
    done
done
if [ ! -s "$scratch/var/access.log" ]; then
    sleep 2
    [ -s "$scratch/var/access.log" ] || { echo "the access log is empty: this is not everything on" >&2; exit 1; }
fi

awk -v subjects="${subjects[*]}" '
    function middle(list,    parts, count, i, j, swap) {
        count = split(list, parts, " ")
        for (i = 2; i <= count; i++)
            for (j = i; j > 1 && parts[j - 1] + 0 > parts[j] + 0; j--) { swap = parts[j]; parts[j] = parts[j - 1]; parts[j - 1] = swap }
        return count % 2 ? parts[(count + 1) / 2] : (parts[count / 2] + parts[count / 2 + 1]) / 2
    }
    { cpu[$1, $2] = cpu[$1, $2] " " $3; p50[$1, $2] = p50[$1, $2] " " $4; p99[$1, $2] = p99[$1, $2] " " $5; n[$1, $2] += $6 }
    END {
        count = split(subjects, name, " ")
        target["get"] = 15; target["post"] = 25
        label["get"] = "GET"; label["post"] = "POST 1.4 kB"
        printf "\n%-12s %-8s %12s %10s %10s %10s   %s\n", "load", "", "CPU us/req", "p50 us", "p99 us", "requests", "CPU of each round"
        for (l = 1; l <= 2; l++) {
            load = l == 1 ? "get" : "post"
            for (s = 1; s <= count; s++)
                printf "%-12s %-8s %12.1f %10.0f %10.0f %10d  %s\n", label[load], name[s], middle(cpu[name[s], load]), middle(p50[name[s], load]), middle(p99[name[s], load]), n[name[s], load], cpu[name[s], load]
        }
        print ""
        for (l = 1; l <= 2; l++) {
            load = l == 1 ? "get" : "post"
            more = middle(cpu["rampart", load]) - middle(cpu["bare", load])
            printf "%-12s rampart over bare Pingora: %+.1f us; target: at most %d us: %s\n", label[load], more, target[load], more <= target[load] ? "met" : "MISSED"
        }
    }
' "$scratch/results"
