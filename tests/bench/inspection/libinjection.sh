#!/usr/bin/env bash
# The verdicts of detect_sqli and detect_xss beside those of the libinjection that libmodsecurity brings, on generated
# values. Ends with 1 when one differs (allowed would be 5).
#
# usage: libinjection.sh SCRATCH
# environment: COUNT (100000), SEED (1)
set -eu -o pipefail
scratch=$1
. tests/bench/inspection/setup.sh
cc -O2 gateway/inspection/examples/libinjection_oracle/oracle.c -lmodsecurity -o "$scratch/libinjection"
echo
echo "libinjection: ${COUNT:-100000} generated values, differences allowed: 5"
RAMPART_SHARED=$shared cargo run --release --locked --quiet -p rampart-inspection --example libinjection_oracle -- \
    "$scratch/libinjection" "${COUNT:-100000}" "${SEED:-1}"
