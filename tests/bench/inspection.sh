#!/usr/bin/env bash
# The inspection engine with the OWASP Core Rule Set beside libmodsecurity: speed and verdicts in process, growth with the
# size of the body, and CPU per request and memory through the proxy. Both always in the same run, in turn, so that what
# else the machine does falls on both. Targets stand beside the figures; a target that is missed makes the exit code 1.
#
# It needs the rules and recorded requests under $RAMPART_SHARED (../shared) and, from Debian, libmodsecurity-dev,
# libnginx-mod-http-modsecurity, nginx and python3, which it installs where it can; without them it says so and skips.
#
# usage: inspection.sh [speed|growth|proxy|libinjection ...]
# environment: ROUNDS (3), REPEAT (1), SECONDS_EACH (4), CONNECTIONS (32), RAMPART (the binary)
set -eu -o pipefail
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# nginx's workers are another user.
chmod 755 "$scratch"
. tests/bench/inspection/setup.sh

if [ ! -d "$crs/rules" ] || [ ! -f "$shared/corpora/blazehttp.jsonl" ] || [ ! -f "$shared/bench/modsec_bench.c" ]; then
    [ -z "${RAMPART_SHARED:-}" ] || { echo "RAMPART_SHARED is $shared, but crs, corpora or bench are not there" >&2; exit 1; }
    skip "no rules and requests under $shared (set RAMPART_SHARED)"
fi
tests/prerequisites.sh inspection || skip "libmodsecurity, nginx or python3 are missing"
build_timer
build_oracle
install_rules
write_gateway 1
write_gateway 4

status=0
for part in "${@:-speed growth proxy libinjection}"; do
    for one in $part; do
        case "$one" in
            speed | growth | proxy | libinjection) bash "$here/$one.sh" "$scratch" || status=1 ;;
            *) echo "usage: inspection.sh [speed|growth|proxy|libinjection ...]" >&2; exit 2 ;;
        esac
    done
done
exit "$status"
