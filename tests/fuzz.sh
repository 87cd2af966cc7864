#!/usr/bin/env bash
# Runs every fuzz target of tests/fuzz for so many seconds each; stops at the first that finds something.
#
# usage: fuzz.sh SECONDS
set -eu -o pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: fuzz.sh SECONDS}
# The engine is fuzzed with the Core Rule Set too, where it is.
shared=$(realpath -m "${RAMPART_SHARED:-../shared}")
if [ -n "${RAMPART_SHARED:-}" ] || [ -d "$shared/crs/rules" ]; then
    export RAMPART_SHARED=$shared
fi
# libFuzzer's instrumentation is unstable: a nightly compiler, or the pinned one told to act like it.
if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    fuzz=(cargo +nightly fuzz)
else
    export RUSTC_BOOTSTRAP=1
    fuzz=(cargo fuzz)
fi
for target in $("${fuzz[@]}" list --fuzz-dir tests/fuzz); do
    printf '== %s, %s s\n' "$target" "$seconds"
    log=$(mktemp)
    status=0
    "${fuzz[@]}" run --fuzz-dir tests/fuzz "$target" -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 60 "$log" >&2
        echo "$target found something; the input is in tests/fuzz/artifacts/$target" >&2
        exit "$status"
    fi
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "$log" || true
    rm -f "$log"
done
