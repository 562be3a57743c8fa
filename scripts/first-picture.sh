#!/usr/bin/env bash
# How soon Chromium shows a picture to a first visitor over weak links: web/e2e/start.mjs says what is
# measured, and prints where the time goes.
#
#   scripts/first-picture.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/live.sh

cargo build --release --locked --quiet --bin communiconnect-live
encoder=''
finish() {
  [[ -z $encoder ]] || { kill "$encoder" && wait "$encoder"; } 2>/dev/null || true
  stop_live
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# Size and video of each; 64 kbit/s of sound come on top.
for live in '320x180 236' '640x360 936'; do
  start_live "$CARGO_TARGET_DIR/release/communiconnect-live"
  read -r size kbits <<<"$live"
  scripts/clock.sh "$rtmp_url" "$size" "$kbits" &
  encoder=$!
  wait_for_pictures
  # A window as it usually is.
  sleep 12
  for link in slow-3g fast-3g; do
    printf '▸ %s kbit/s over %s; load of this machine: %s\n' "$((kbits + 64))" "$link" "$(cut -d' ' -f1-3 /proc/loadavg)"
    node web/e2e/start.mjs "$watch_url" "$link"
  done
  finish
  encoder=''
done
