#!/usr/bin/env bash
# How soon Chromium shows a picture to a first visitor over weak links: web/e2e/start.mjs says what is
# measured, and prints where the time goes.
#
#   scripts/first-picture.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/live.sh

# Size and video of each; 64 kbit/s of sound come on top.
for live in '320x180 236' '640x360 936'; do
  read -r size kbits <<<"$live"
  start_live "$size" "$kbits"
  # A window as it usually is.
  sleep 12
  for link in slow-3g fast-3g; do
    printf '▸ %s kbit/s over %s; load of this machine: %s\n' "$((kbits + 64))" "$link" "$(cut -d' ' -f1-3 /proc/loadavg)"
    node web/e2e/start.mjs "$watch_url" "$link"
  done
  stop_live
done
