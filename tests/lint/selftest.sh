#!/usr/bin/env bash
# Proves that lint.sh finds what it should: a small tree with one fault of each rule, and the same tree without them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{storage/base,storage/kv,index/flat,index/filter,index/hnsw,server/api,server/http,tests/unit}
cd "$root"

printf '/* Good. */\n#include "storage/base/good.h"\n' >storage/base/good.c
printf '/* Good. */\n#pragma once\nstruct good;\nchar good(void); /* malloc(1) in a comment */\n' >storage/base/good.h
printf 'X(flat)\n' >index/kinds.def
printf 'X(get, "GET", "/", NULL, OP_READ, a, b, c)\n' >server/api/ops.def
printf '/* Good. */\nenum status run_get(struct call *call)\n{\n}\n' >server/api/get.c
"$here/lint.sh" "$root" >/dev/null || { echo "selftest: a clean tree was refused"; exit 1; }

expect=()
bad() { # rule, file, line number, text of the file (printf form)
    expect+=("$2:$3: $1:")
    # shellcheck disable=SC2059
    printf "$4" >"$2"
}
bad layers index/flat/up.c 2 '/* x */\n#include "index/hnsw/hnsw.h"\n'
bad layers server/http/uv.c 2 '/* x */\n#include <uv.h>\n'
bad layers index/flat/message.c 2 '/* x */\n#include "points.pb-c.h"\n'
bad layers index/flat/rocks.c 2 '/* x */\n#include <rocksdb/c.h>\n'
bad private index/filter/steal.c 2 '/* x */\n#include "index/payload/path_int.h"\n'
bad include storage/kv/short.c 2 '/* x */\n#include "kv.h"\n'
bad banned storage/kv/copy.c 2 '/* x */\nint x = strcpy(a, "b");\n'
bad head-comment storage/kv/head.c 1 'int x;\n'
bad pragma-once storage/kv/once.h 1 '/* x */\n'
bad typedef storage/kv/type.c 2 '/* x */\ntypedef struct x y;\n'
bad tag-name storage/kv/tag.c 2 '/* x */\nstruct x_t {\n'
bad tag-name storage/kv/case.c 2 '/* x */\nstruct CamelCase {\n'
bad white-space storage/kv/white.c 2 '/* x */\nint x; \n'
bad test-array tests/unit/test_x.c 2 '/* x */\nstatic void test_lost(void **state)\n{\n}\n'
bad line-length storage/kv/wide.c 2 "/* x */\nint $(printf 'x%.0s' {1..100});\n"
bad marks storage/kv/later.c 2 "/* x */\n/* TO""DO: later */\n"
bad tables index/kinds.def 2 'X(flat)\nX(ivf)\n'
bad tables server/api/ops.def 2 'X(get, "GET", "/", NULL, OP_READ, a, b, c)\nX(put, "PUT", "/", NULL, OP_WRITE, a, b, c)\n'
expect+=("storage/kv/long.c:901: file-length:" "storage/kv/function.c:3: function-length:")
{ echo '/* x */'; printf 'int x;\n%.0s' {1..900}; } >storage/kv/long.c
{ printf '/* x */\nint f(void)\n{\n'; printf '    x();\n%.0s' {1..70}; echo '}'; } >storage/kv/function.c

found=$("$here/lint.sh" "$root" 2>/dev/null) && { echo "selftest: a bad tree passed"; exit 1; }
failed=0
for want in "${expect[@]}"; do
    grep -qF "$want" <<<"$found" || { echo "selftest: missed $want"; failed=1; }
done
# Each fault is found by its rule alone; the write without functions gives two findings.
[ "$(wc -l <<<"$found")" -eq $((${#expect[@]} + 1)) ] || { echo "selftest: not one finding a fault:"; echo "$found"; failed=1; }
[ "$failed" -eq 0 ] && echo "selftest: lint finds all ${#expect[@]} faults"
exit "$failed"
