#!/usr/bin/env bash
# Every test: unit, property, both databases, and the whole house with real peers.
#
#   scripts/test.sh [FILTER...]   what cargo nextest run (or cargo test) takes
#
# Everything runs whatever fails; the end says whether anything did.
set -euo pipefail
cd "$(dirname "$0")/.."

# They start encoders, players and whole servers. .config/nextest.toml says how many at once.
readonly WHOLE_HOUSE=(uploads media publish_to_viewer life_of_a_live kills interop players enhanced_rtmp several_sounds timed_metadata audience recordings pictures films bucket hls_conformance backup api_clients push pages console doctor redis)

failed=()
step() {
  local what=$1
  shift
  "$@" || failed+=("$what")
}

# A server of this run alone: others may run beside it.
postgres=$(scripts/postgres.sh start)
eval "$postgres"
trap 'scripts/postgres.sh stop' EXIT
trap 'exit 130' INT TERM HUP

if command -v cargo-nextest >/dev/null 2>&1; then
  step 'the workspace' cargo nextest run --workspace --locked --no-fail-fast "$@"
else
  # cargo test knows no groups: first what needs no real time, then the whole house, one test at a time.
  light=() heavy=()
  while read -r name; do
    if [[ " ${WHOLE_HOUSE[*]} " == *" $name "* ]]; then heavy+=(--test "$name"); else light+=(--test "$name"); fi
  done < <(cargo metadata --no-deps --format-version 1 --locked \
    | jq -r '.packages[].targets[] | select(.kind | index("test")) | .name')
  step 'the workspace' cargo test --workspace --locked --no-fail-fast --lib --bins "${light[@]}" "$@"
  step 'the whole house' cargo test --workspace --locked --no-fail-fast "${heavy[@]}" "$@" -- --test-threads=1
fi
step 'the examples in the documentation' cargo test --workspace --locked --no-fail-fast --doc --quiet
step 'the load tool' cargo test --manifest-path benches/load/Cargo.toml --locked --no-fail-fast --quiet

for what in "${failed[@]}"; do printf '✗ failed: %s\n' "$what" >&2; done
((${#failed[@]} == 0))
