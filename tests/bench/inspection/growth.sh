#!/usr/bin/env bash
# Cost of a byte as JSON documents grow from 10 kB to 10 MB, and one of 1 MB beside libmodsecurity. Ran by inspection.sh.
#
# usage: growth.sh SCRATCH     environment: ROUNDS (3)
set -eu -o pipefail
scratch=$1
. tests/bench/inspection/setup.sh

rounds=${ROUNDS:-3}
"$here/documents.py" "$scratch/documents.jsonl" 10000 100000 1000000 10000000
grep '"json-1000000"' "$scratch/documents.jsonl" >"$scratch/megabyte.jsonl"
pack "$scratch/megabyte.jsonl" "$scratch/megabyte.packed"
for round in $(seq "$rounds"); do
    # libmodsecurity takes seconds for it.
    "$scratch/modsec_bench" "$scratch/modsec-large.conf" "$scratch/megabyte.packed" >>"$scratch/modsec-megabyte"
    replay 1 "$scratch/documents.jsonl" "$scratch/growth-$round" 5
done
echo
echo "JSON documents, full CRS at paranoia 1, content limits lifted, $rounds rounds, the middle of them"
"$here/report.py" growth "$scratch/modsec-megabyte" "$scratch/documents.jsonl" "$scratch/growth-"*.jsonl
