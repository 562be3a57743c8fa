#!/usr/bin/env bash
# A camera that shows the time: publishes a moving test picture with a tone, in real time, until it is
# ended. The upper 16 lines hold the milliseconds since the epoch, their low 32 bits as bars from left
# to right, least first, white for one: web/e2e/latency.mjs reads them back.
#
#   scripts/clock.sh RTMP_URL [WIDTHxHEIGHT [KBITS]]
set -euo pipefail
url=${1:?usage: scripts/clock.sh RTMP_URL [WIDTHxHEIGHT [KBITS]]}
size=${2:-320x180}
kbits=${3:-400}

bars="scale=32:1,format=gray,geq=lum='255*mod(floor(time(0)*1000/pow(2,X)),2)'"
bars+=",scale=${size%x*}:16:flags=neighbor,format=yuv420p"
exec ffmpeg -hide_banner -nostdin -loglevel error \
  -re -f lavfi -i "testsrc2=size=$size:rate=30" \
  -re -f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000 \
  -filter_complex "[0:v]split[picture][strip]; [strip]${bars}[bars]; [picture][bars]overlay,format=yuv420p[out]" \
  -map '[out]' -map 1:a \
  -c:v libx264 -preset veryfast -tune zerolatency -g 60 \
  -b:v "${kbits}k" -maxrate "${kbits}k" -bufsize "$((kbits / 2))k" \
  -c:a aac -b:a 64k -ac 2 -f flv "$url"
