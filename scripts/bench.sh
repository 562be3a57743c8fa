#!/usr/bin/env bash
# Speeds of the hot path (nanoseconds), then of the whole house beside nginx in the same run (minutes).
set -euo pipefail
cd "$(dirname "$0")/.."

echo '▸ building'
cargo build --release --locked --bin communiconnect-live
cargo build --release --locked --manifest-path benches/load/Cargo.toml

echo '▸ the hot path'
cargo bench --locked --bench remux --bench playlist --bench fanout

echo '▸ the whole house beside nginx: about eight minutes, best on an idle machine'
"$CARGO_TARGET_DIR/release/communiconnect-load" compare \
  --ours "$CARGO_TARGET_DIR/release/communiconnect-live" --page docs/performance.md "$@"
