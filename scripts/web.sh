#!/usr/bin/env bash
# Builds the page into web/dist, when its sources are newer than the last build.
set -euo pipefail
cd "$(dirname "$0")/../web"

if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  echo "▸ installing the page's tools with npm"
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi

newest=$(find . -path ./node_modules -prune -o -path ./dist -prune -o -type f -newer dist/index.html -print -quit 2>/dev/null || echo all)
if [[ ! -e dist/index.html || -n $newest ]]; then
  echo "▸ building the page"
  npm run --silent build
fi
