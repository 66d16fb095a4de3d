#!/usr/bin/env bash
# Everything that a change must pass, in stages, from a bare machine: `make test`.
#
#   tests/run.sh                all stages
#   tests/run.sh STAGE...       some of them: tools build lint unit unit-asan unit-tsan neon fuzz api api-asan api-tsan js kill demo
#
# The output of a stage is shown and kept in build/test/STAGE.log. A stage that fails does not stop the others (but for
# tools and build); the exit status is 1 if any failed. The last line sums up all tests of all stages.
# SAGITTA_KILLS (20): rounds of the kill test. SAGITTA_SEED: seed of the random tests, printed when not set.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_ROOT:-build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
logs=$build/test
venv=$build/venv
jobs=${JOBS:-$(nproc)}
mkdir -p "$logs"
export SAGITTA_BIN=${SAGITTA_BIN:-$build/sagitta}
export TSAN_OPTIONS="suppressions=$PWD/tests/lib/tsan.supp exitcode=66 second_deadlock_stack=1"
export ASAN_OPTIONS="detect_leaks=1 exitcode=67"
export UBSAN_OPTIONS="print_stacktrace=1"
[ -f tests/lib/tsan.supp ] || export TSAN_OPTIONS="exitcode=66 second_deadlock_stack=1"

make() {
    command make --no-print-directory "BUILD_ROOT=$build" -j"$jobs" "$@"
}

stage_tools() {
    command make --no-print-directory deps || return 1
    local stamp="$venv/.ready-$(cat tests/requirements.txt tests/api/js/package-lock.json | cksum | tr ' ' -)"
    [ -f "$stamp" ] && return 0
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || return 1
    "$venv/bin/pip" install -q --disable-pip-version-check -r tests/requirements.txt || return 1
    PATH="$(tests/node.sh):$PATH" || return 1
    (cd tests/api/js && npm ci --no-audit --no-fund) || return 1
    touch "$stamp"
}

stage_build() { make all; }
stage_lint() { make lint; }
stage_unit() { make unit; }
stage_unit-asan() { make unit SAN=asan; }
stage_unit-tsan() { make unit-threads SAN=tsan; }
stage_neon() { make test-neon; }
stage_fuzz() { make fuzz-replay; }

pytest() {
    (cd tests/api && "$venv/bin/python" -m pytest -q -p no:cacheprovider "$@")
}

stage_api() { pytest; }
stage_api-asan() {
    make all SAN=asan && SAGITTA_BIN=$build/asan/sagitta pytest test_errors.py test_points.py test_payload.py test_search.py \
        test_payload_indexes.py test_patterns.py test_facet.py test_order_by.py
}
stage_api-tsan() {
    make all SAN=tsan && SAGITTA_BIN=$build/tsan/sagitta pytest test_concurrent.py \
        test_payload_indexes.py -k "not restart and not damaged"
}
stage_js() {
    (PATH="$(tests/node.sh):$PATH" && cd tests/api/js && node --test)
}
stage_kill() { "$venv/bin/python" -u tests/fault/kill_test.py "${SAGITTA_KILLS:-20}"; }
# More words than the 25,600 up to which no graph is built; always on a server of its own.
stage_demo() { SAGITTA_URL='' WORDS=${WORDS:-30000} demo/run.sh; }

# "passed failed" out of the closing lines of cmocka, pytest, Node.js' runner and our own.
count() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        /^\[  PASSED  \] [0-9]+ test/ { passed += $4 }
        /^\[  FAILED  \] [0-9]+ test/ { failed += $4 }
        /^[=]* *([0-9]+ [a-z]+, )*[0-9]+ [a-z]+ in [0-9.]+s/ {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^(failed|error)/) failed += $(i - 1)
            } }
        /^# pass [0-9]+$/ || /^ℹ pass [0-9]+$/ { passed += $3 }
        /^# fail [0-9]+$/ || /^ℹ fail [0-9]+$/ { failed += $3 }
        /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 }
        END { print passed + 0, failed + 0 }'
}

passed=0 failed=0 bad=""
run() {
    local name=$1 start=$SECONDS code good wrong
    echo
    echo "=== $name"
    "stage_$name" 2>&1 | tee "$logs/$name.log"
    code=${PIPESTATUS[0]}
    read -r good wrong < <(count "$logs/$name.log")
    if [ "$code" -ne 0 ] && [ "$wrong" -eq 0 ]; then
        wrong=1
    elif [ "$code" -eq 0 ] && [ "$good" -eq 0 ]; then
        good=1
    fi
    passed=$((passed + good)) failed=$((failed + wrong))
    if [ "$code" -ne 0 ]; then
        bad="$bad $name"
        echo "=== $name FAILED after $((SECONDS - start)) s"
        return 1
    fi
    echo "=== $name: $good passed in $((SECONDS - start)) s"
}

if [ $# -eq 0 ]; then
    set -- tools build lint unit unit-asan unit-tsan neon fuzz api js kill api-asan api-tsan demo
elif [ "$*" = tools ]; then
    stage_tools >"$logs/tools.log" 2>&1 || { cat "$logs/tools.log" && exit 1; }
    exit 0
fi
[ -n "${SAGITTA_SEED:-}" ] || export SAGITTA_SEED=$((RANDOM * 32768 + RANDOM))
echo "SAGITTA_SEED=$SAGITTA_SEED"
for name in "$@"; do
    run "$name" || case $name in tools | build) break ;; esac
done
echo
[ -z "$bad" ] || echo "failed stages:$bad"
echo "$passed passed, $failed failed"
[ -z "$bad" ]
