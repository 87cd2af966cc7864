#!/usr/bin/env bash
# Quotas in numbers: whether each decision is right, what it costs, what keys take, what sharing through Redis adds, and
# what a request through the proxy pays. Targets stand beside the figures; a target that is missed makes the exit code 1.
#
#   exactness   ten million requests of a million keys by each algorithm, each judged by a slow and obvious oracle
#   memory      bytes for a million keys; a flood of fifty million keys, within the bound
#   cost        CPU of a local decision
#   shared      four gateways on one quota; round trips, latency, an outage (redis-server)
#   proxy       CPU and latency of requests through the gateway with and without quotas, and what bans add (wrk)
#
# usage: limits.sh [exactness|memory|cost|shared|proxy ...]
# environment: ROUNDS (3), SECONDS_EACH (4), CONNECTIONS (32)
set -eu -o pipefail
cd "$(dirname "$0")/../.."

release=${CARGO_TARGET_DIR:-target}/release
parts=${*:-exactness memory cost shared proxy}

for part in $parts; do
    case "$part" in
        exactness | memory | cost | shared | proxy) ;;
        *) echo "usage: limits.sh [exactness|memory|cost|shared|proxy ...]" >&2; exit 2 ;;
    esac
done
if [ "$parts" != proxy ]; then
    cargo build --release --locked --quiet --package rampart-limits --examples
fi

status=0
for part in $parts; do
    printf '\n== %s\n' "$part"
    if [ "$part" = proxy ]; then
        bash tests/bench/limits/proxy.sh || status=1
    else
        # Each ends with an error where its numbers are wrong.
        "$release/examples/$part" | bash tests/bench/limits/judge.sh "$part" || status=1
    fi
done
exit "$status"
