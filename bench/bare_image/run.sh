#!/bin/sh
# Unpacks what is missing and measures: sh run.sh RESULTS [arguments of python -m bench]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
results=$1
shift
mkdir -p "$results"
results=$(cd "$results" && pwd)
python3 "$here/unpack.py" "$here/wheels" "$here/packages" "$here/project"
export PYTHONPATH="$here/packages${PYTHONPATH:+:$PYTHONPATH}"
export OMP_NUM_THREADS=1
export VIT_CLAIMS_HOME="$here/home"
cd "$here/project"
[ $# -gt 0 ] || set -- --only gpu --minutes 9 --rounds 2
exec python3 -m bench --out "$results/gpu.jsonl" --note "commit $(cat "$here/commit")" "$@"
