#!/bin/sh
# One unit test: what it prints comes together when it ends, however many run beside it.
#   run_unit.sh LOCK TEST
"$2" >"$2.out" 2>&1
status=$?
flock "$1" sh -c 'echo "== $0"; cat "$0.out"' "$2"
exit $status
