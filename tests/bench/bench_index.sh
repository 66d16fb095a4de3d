#!/bin/sh
# The graph index beside hnswlib: same data, same parameters, one search thread, runs interleaved, medians.
# Prints each engine's curve and, per data set, the ratio of searches per second at recall 0.95 (log-linear between the
# two efs around it). Usage: tests/bench/bench_index.sh [FOLDER [REPEATS]]; PYTHON names a Python with hnswlib and numpy.
set -eu
folder=${1:-build/bench}
repeats=${2:-3}
python=${PYTHON:-python3}
build_root=${BUILD_ROOT:-$folder/obj} # a part of the tree only: not the usual folder
here=$(dirname "$0")

make BUILD_ROOT="$build_root" \
    MODULES="storage/base index/kernel index/flat index/hnsw index/topk.c index/vectors.c index/vindex.c" \
    "$build_root/release/libsagitta.a" "$build_root/release/tests/bench/bench_index.o" >/dev/null
gcc -o "$build_root/release/bench_index" "$build_root/release/tests/bench/bench_index.o" \
    "$build_root/release/libsagitta.a" -lxxhash -lpthread -lm

"$python" "$here/make_data.py" "$folder"
results=$folder/results.jsonl
: >"$results"
for set in words:100:64,96,128,192,256,384 mixed:768:48,64,96,128,192,256; do
    name=${set%%:*}
    rest=${set#*:}
    dim=${rest%%:*}
    efs=${rest#*:}
    i=0
    while [ "$i" -lt "$repeats" ]; do
        "$build_root/release/bench_index" "$folder" "$name" "$dim" "$efs" 1 | tee -a "$results"
        "$python" "$here/bench_hnswlib.py" "$folder" "$name" "$dim" "$efs" | tee -a "$results"
        i=$((i + 1))
    done
done
"$python" - "$results" <<'EOF'
import json, math, statistics, sys

curves = {}
for line in open(sys.argv[1]):
    row = json.loads(line)
    if "ef" in row:
        curves.setdefault((row["data"], row["engine"]), {}).setdefault(row["ef"], []).append(row)

def at(curve, recall):
    points = sorted((rows[0]["recall"], statistics.median(r["qps"] for r in rows)) for rows in curve.values())
    for (r0, q0), (r1, q1) in zip(points, points[1:]):
        if r0 <= recall <= r1:
            part = (recall - r0) / (r1 - r0) if r1 > r0 else 0
            return math.exp(math.log(q0) + part * (math.log(q1) - math.log(q0)))
    return None

for data in sorted({key[0] for key in curves}):
    ours, theirs = (at(curves[data, engine], 0.95) for engine in ("sagitta", "hnswlib"))
    ratio = ours / theirs if ours and theirs else None
    print(json.dumps({"data": data, "recall": 0.95, "sagitta_qps": ours, "hnswlib_qps": theirs, "ratio": ratio}))
EOF
