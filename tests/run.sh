#!/usr/bin/env bash
# Everything `make test` checks, in the order in which a failure costs least. Prints the totals last; exits non-zero when
# anything failed. cargo-nextest runs the tests where it is installed (each in a process of its own), cargo test elsewhere.
set -eu -o pipefail
cd "$(dirname "$0")/.."

started=$SECONDS
step() { printf '\n== %s (after %d s)\n' "$1" "$((SECONDS - started))"; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings

# All targets in one go: the binary that the end-to-end tests drive is built with the features of the tests' build.
step "build"
cargo build --workspace --all-targets --locked --quiet

output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
step "tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked --no-fail-fast 2>&1 | tee "$output" || status=$?
    step "doc tests"
    cargo test --workspace --locked --doc --quiet 2>&1 | tee -a "$output" || status=$?
    totals=$(sed 's/\x1b\[[0-9;]*m//g' "$output" | grep -E '^ *Summary' | tail -n 1 || true)
else
    cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$output" || status=$?
    totals=$(awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
        END { printf "Summary: %d tests run: %d passed, %d failed, %d skipped", passed + failed, passed, failed, ignored }' "$output")
fi

step "totals"
echo "${totals:-no tests were run}"
[ -n "$totals" ] || status=1
[ "$status" -eq 0 ] || echo "FAILED"
exit "$status"
