#!/usr/bin/env bash
# The part of the style guide that a machine can check, in seconds. Prints "file:line: rule: text"; exit status 1 on any.
#
#   layers        layers.txt: who includes whom, and which module owns a library
#   private       a header *_int.h is included in its own folder only
#   include       quoted includes are paths from the root
#   banned        banned.txt: calls that have a better replacement
#   file-length   at most 800 lines       function-length  at most 70 lines      line-length  at most 100 columns
#   head-comment  a source file opens with a comment       pragma-once  a header has it
#   typedef, tag-name   tags without typedef, in lower case, not ending in _t
#   test-array    every "static void test_..." of a unit test is in its array
#   tables        every row of ops.def, filter/kinds.def and kinds.def has its functions or folder
#   marks         no mark of unfinished work; no blanks at line ends (white-space)
#
# Usage: tests/lint/lint.sh [root]
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$here/../..}"
found=$(mktemp)
trap 'rm -f "$found"' EXIT

mapfile -t sources < <(find storage index replication server tests -type f \
    \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) 2>/dev/null | sort)
if [ "${#sources[@]}" -eq 0 ]; then
    echo "lint: no sources under $PWD" >&2
    exit 1
fi

awk -v layers="$here/layers.txt" -v banned="$here/banned.txt" -f "$here/lint.awk" "${sources[@]}" >>"$found"

# table file, line number, function name, folder with its definition
need_function() {
    grep -rqE --include='*.c' "^[a-z].*[ *]$3\(" "$4" 2>/dev/null ||
        echo "$1:$2: tables: $3 is not defined in $4" >>"$found"
}

# "line first-argument rest" of each row of a macro in a table
rows() {
    awk -v macro="$2" 'index($0, macro "(") == 1 {
        text = substr($0, length(macro) + 2); split(text, part, /[ ]*[,)][ ]*/); print FNR, part[1], part[2], text }' "$1"
}

if [ -f server/api/ops.def ]; then
    while read -r line id _ text; do
        case $text in
        *OP_WRITE*)
            need_function server/api/ops.def "$line" "propose_$id" server/api
            need_function server/api/ops.def "$line" "reply_$id" server/api
            ;;
        *OP_READ*) need_function server/api/ops.def "$line" "run_$id" server/api ;;
        *) echo "server/api/ops.def:$line: tables: $id neither reads nor writes" >>"$found" ;;
        esac
    done < <(rows server/api/ops.def X)
fi
if [ -f index/filter/kinds.def ]; then
    while read -r line _ name _; do
        need_function index/filter/kinds.def "$line" "cond_${name}_compile" index/filter
    done < <(rows index/filter/kinds.def CONDITION)
    while read -r line name _; do
        need_function index/filter/kinds.def "$line" "part_${name}_compile" index/filter
    done < <(rows index/filter/kinds.def FIELD_PART)
fi
if [ -f index/kinds.def ]; then
    while read -r line name _; do
        [ -d "index/$name" ] || echo "index/kinds.def:$line: tables: no folder index/$name" >>"$found"
    done < <(rows index/kinds.def X)
fi

# Written so that this file does not find itself.
grep -rnE --include='*.[ch]' --include='*.cc' --include='*.def' --include='*.proto' --include='*.py' --include='*.sh' \
    --include='*.mk' --include='*.md' '\b(FIX''ME|TO''DO|XX''X)\b' storage index replication server proto tests 2>/dev/null |
    sed -E 's/^([^:]*:[0-9]+):.*/\1: marks: unfinished work/' >>"$found" || true

if [ -s "$found" ]; then
    sort -t: -k1,1 -k2,2n "$found"
    echo "lint: $(wc -l <"$found") findings in ${#sources[@]} files" >&2
    exit 1
fi
echo "lint: ${#sources[@]} files are clean"
