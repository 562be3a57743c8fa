#!/usr/bin/env bash
# Speeds of the hot path (nanoseconds), then of the whole house beside nginx in the same run (minutes).
set -euo pipefail
cd "$(dirname "$0")/.."

echo '▸ building'
cargo build --release --locked --bin communiconnect-live
cargo build --release --locked --manifest-path benches/load/Cargo.toml

echo '▸ the hot path'
cargo bench --locked --bench remux --bench playlist --bench fanout

echo '▸ the whole house beside nginx, then the API: about fourteen minutes, best on an idle machine'
# As much memory as a small server gives its database.
postgres=$(scripts/postgres.sh start shared_buffers=512MB)
eval "$postgres"
trap 'scripts/postgres.sh stop' EXIT
trap 'exit 130' INT TERM HUP
"$CARGO_TARGET_DIR/release/communiconnect-load" compare \
  --ours "$CARGO_TARGET_DIR/release/communiconnect-live" --page docs/performance.md \
  --postgres "$TEST_DATABASE_URL" "$@"
