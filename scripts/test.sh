#!/usr/bin/env bash
# Every test: unit, property, both databases, and the whole house with real peers.
set -euo pipefail
cd "$(dirname "$0")/.."

eval "$(scripts/postgres.sh start)"
trap 'scripts/postgres.sh stop' EXIT

if command -v cargo-nextest >/dev/null 2>&1; then
  cargo nextest run --workspace --locked "$@"
else
  cargo test --workspace --locked "$@"
fi
cargo test --workspace --doc --locked --quiet
