#!/usr/bin/env bash
# CPU per request through the proxy, full CRS at paranoia 1: nginx with libnginx-mod-http-modsecurity beside Rampart, the
# same origin and loads, in turn; and what Rampart keeps resident with the rules loaded. Ran by inspection.sh.
#
# The loads name a host. With the address in its place, as wrk sends it by itself, rule 920350 matches every request:
# that is measured too, for then each request is also an event to write down.
#
# usage: proxy.sh SCRATCH     environment: ROUNDS (3), SECONDS_EACH (4), CONNECTIONS (32)
set -eu -o pipefail
scratch=$1
. tests/bench/inspection/setup.sh
. tests/bench/measure.sh

rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-4}
connections=${CONNECTIONS:-32}
module=/usr/lib/nginx/modules/ngx_http_modsecurity_module.so
memory_target_mb=80
pids=()
declare -A port process

# nginx is asked, so that its workers go too.
finish() {
    local pid
    for pid in "${pids[@]}"; do
        if [ "$pid" = "${process[nginx+modsec]:-}" ]; then kill "$pid" 2>/dev/null || true; else kill -KILL "$pid" 2>/dev/null || true; fi
    done
    wait 2>/dev/null || true
}
trap finish EXIT

origin=$(free_port 19500)
"$release/bench-origin" "127.0.0.1:$origin" >"$scratch/origin.log" 2>&1 & pids+=($!)
await "http://127.0.0.1:$origin/" "$scratch/origin.log"

nginx=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx || true)
[ -n "$nginx" ] && [ -e "$module" ] || skip "nginx or $module is missing"
port[nginx+modsec]=$(free_port 19600)
cat >"$scratch/nginx.conf" <<CONF
load_module $module;
daemon off; worker_processes auto; pid $scratch/nginx.pid; error_log $scratch/nginx.err;
events { worker_connections 4096; }
http {
    access_log $scratch/nginx.access combined buffer=64k flush=1s;
    keepalive_requests 1000000;
    client_body_temp_path $scratch/nginx.body; proxy_temp_path $scratch/nginx.proxy;
    fastcgi_temp_path $scratch/nginx.fastcgi; uwsgi_temp_path $scratch/nginx.uwsgi; scgi_temp_path $scratch/nginx.scgi;
    upstream origin { server 127.0.0.1:$origin; keepalive 128; }
    server {
        listen 127.0.0.1:${port[nginx+modsec]};
        modsecurity on; modsecurity_rules_file $scratch/modsec1.conf;
        location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host \$host; proxy_pass http://origin; }
    }
}
CONF
"$nginx" -c "$scratch/nginx.conf" >"$scratch/nginx.log" 2>&1 & pids+=($!)
process[nginx+modsec]=$!
await "http://127.0.0.1:${port[nginx+modsec]}/" "$scratch/nginx.log"

port[rampart]=$(free_port 19700)
admin=$(free_port 19800)
RAMPART_ADMIN_TOKEN=bench-$RANDOM$RANDOM$RANDOM$RANDOM \
RAMPART__LISTENER__MAIN__ADDRESS="127.0.0.1:${port[rampart]}" \
RAMPART__ADMIN__ADDRESS="127.0.0.1:$admin" RAMPART__PROBE__ADDRESS="127.0.0.1:$admin" \
RAMPART__UPSTREAM__AGENTS__ADDRESSES="[\"http://127.0.0.1:$origin\"]" \
    "$rampart" run --config "$scratch/gateway1/config.toml" >"$scratch/rampart.log" 2>&1 & pids+=($!)
process[rampart]=$!
await "http://127.0.0.1:$admin/ready" "$scratch/rampart.log"

resident_mb() { awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/${process[rampart]}/status"; }
# What compiling needed for a while goes back to the system within two seconds.
sleep 3
loaded=$(resident_mb)

# An attack must be refused by both: otherwise the bench compares nothing.
for subject in nginx+modsec rampart; do
    answer=$(curl --silent --output /dev/null --write-out '%{http_code}' --noproxy '*' -H 'Host: agents.example.com' \
        "http://127.0.0.1:${port[$subject]}/api/v1/agents?id=1%27%20UNION%20ALL%20SELECT%20password%20FROM%20users--")
    [ "$answer" = 403 ] || { echo "$subject answers $answer to an attack: its rules are not on" >&2; exit 1; }
done

for round in $(seq "$rounds"); do
    for load in get post get-address; do
        for subject in nginx+modsec rampart; do
            wrk_flags=(-H "Host: agents.example.com")
            [ "$load" = get-address ] && wrk_flags=()
            measure "$subject" "${load%-address}" | sed "s/^\([^ ]*\) [^ ]*/\1 $load/" >>"$scratch/proxy-results"
        done
    done
done

status=0
echo
echo "through the proxy, full CRS at paranoia 1: $rounds rounds of $seconds s on $connections connections, the middle of them"
"$here/report.py" proxy "$scratch/proxy-results" || status=1
after=$(resident_mb)
awk -v loaded="$loaded" -v after="$after" -v target="$memory_target_mb" 'BEGIN {
    met = loaded < target
    printf "resident with full CRS: %s MB when ready, %s MB after the loads; target: under %d MB when loaded: %s\n", loaded, after, target, met ? "met" : "MISSED"
    exit !met
}' || status=1
exit "$status"
