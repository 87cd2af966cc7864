#!/usr/bin/env bash
# Time of one inspection, full CRS at paranoia 1 and 4 on recorded requests, in process, one thread: libmodsecurity and
# Rampart alternate in one run, each time a pass of the one and a pass of the other. The middle of the rounds counts.
# Then the verdicts of both, and every difference. Ran by inspection.sh.
#
# usage: speed.sh SCRATCH     environment: ROUNDS (3), REPEAT (1)
set -eu -o pipefail
scratch=$1
. tests/bench/inspection/setup.sh

rounds=${ROUNDS:-3}
repeat=${REPEAT:-1}
corpus=$shared/corpora/blazehttp.jsonl
status=0
pack "$corpus" "$scratch/corpus.packed"
"$here/oracle.py" corpus "$corpus" "$scratch/verdict.packed" >/dev/null

for level in 1 4; do
    for round in $(seq "$rounds"); do
        "$scratch/modsec_bench" "$scratch/modsec$level.conf" "$scratch/corpus.packed" "$scratch/theirs$level" \
            >>"$scratch/modsec-times$level"
        replay "$level" "$corpus" "$scratch/ours$level-$round" "$repeat"
    done
    echo
    echo "full CRS at paranoia $level, $(basename "$corpus"), one thread, $rounds rounds in turn, the middle of them"
    "$here/report.py" speed "$scratch/modsec-times$level" "$scratch/ours$level-"*.json || status=1
done
for level in 1 4; do
    "$scratch/verdicts" "$scratch/modsec$level.conf" "$scratch/verdict.packed" "$scratch/verdicts$level.jsonl" 2>/dev/null
    echo
    echo "verdicts at paranoia $level"
    "$here/oracle.py" compare "$scratch/verdicts$level.jsonl" "$scratch/ours$level-1.jsonl" || status=1
done
exit "$status"
