#!/bin/sh
# Prints the packages of the named sections of packages.txt, on one line.
#   packages.sh [--missing] SECTION...
# Of alternatives it takes the first that is installed, else the first that apt knows. --missing leaves out what is
# installed. A line none of whose names is known is printed by its first name, so that apt says what is wrong.
set -eu
missing=
if [ "${1:-}" = --missing ]; then
    missing=yes
    shift
fi
list="$(dirname "$0")/../packages.txt"
[ -f "$list" ] || list="$(dirname "$0")/packages.txt"

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

known() {
    apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

pick() {
    for name in "$@"; do
        if installed "$name"; then
            [ -n "$missing" ] || echo "$name"
            return
        fi
    done
    for name in "$@"; do
        if known "$name"; then
            echo "$name"
            return
        fi
    done
    echo "$1"
}

for section in "$@"; do
    sed -n "s/^$section //p" "$list" | while read -r line; do
        # shellcheck disable=SC2046,SC2086
        pick $(echo $line | tr '|' ' ')
    done
done | tr '\n' ' '
echo
