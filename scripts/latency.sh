#!/usr/bin/env bash
# How far behind its encoder Chromium shows a live, by our page and by Shaka Player: web/e2e/latency.mjs
# says what is measured. Best on an idle machine; the load of this one is printed too.
#
#   scripts/latency.sh [SECONDS]    five minutes for the page, a fifth of that for Shaka Player
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/live.sh
seconds=${1:-300}

start_live 1280x720 1500

measure() {
  node web/e2e/latency.mjs "$@" | jq -r '
    def row($by): "  \($by)  median \(.median)  p95 \(.p95)  p99 \(.p99)  max \(.max) ms  (\(.pictures) pictures)";
    "▸ \(.player): first picture after \(.first_frame_ms) ms, \(.stalls) stalls (\(.stall_ms) ms), \(.dropped_frames) pictures dropped",
    (.date | row("less PROGRAM-DATE-TIME ")), (.clock | row("less the clock drawn   ")), (.errors[] | "  ✗ \(.)")'
}
printf '▸ 720p, 1.5 Mbit/s, an IDR every 2 s; load of this machine: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
measure page "$watch_url" "$seconds"
measure shaka "$hls_url" "$((seconds / 5))"
printf '▸ load at the end: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
