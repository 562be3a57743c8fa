#!/usr/bin/env bash
# Installs the programs the tests and the benches meet: encoders, players, a browser, OBS, nginx with
# its RTMP module, PostgreSQL. Quiet when all is there.
#
#   scripts/peers.sh           installs what is missing (as root, or with sudo)
#   scripts/peers.sh --check   only says what is missing; ends with 1 if anything is
set -euo pipefail

readonly PACKAGES=(
  # Encoders and players.
  ffmpeg rtmpdump librtmp1 curl jq
  gstreamer1.0-tools gstreamer1.0-plugins-{base,good,bad,ugly} gstreamer1.0-libav
  # OBS, and a screen for it.
  obs-studio xvfb dbus xdotool
  # A browser, as a viewer has it.
  chromium
  # The server measured beside ours, and the other database.
  nginx-light libnginx-mod-rtmp postgresql
  # The linker, and the compiler of the fuzz targets.
  lld clang
)

missing=()
for package in "${PACKAGES[@]}"; do
  status="$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)"
  [[ $status == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

if [[ ${1:-} == --check ]]; then
  echo "missing: ${missing[*]}" >&2
  exit 1
fi

as_root=(env DEBIAN_FRONTEND=noninteractive)
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "✗ needs root to install: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo "${as_root[@]}")
fi

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
quietly() {
  "${as_root[@]}" "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
}

echo "▸ installing with apt, which takes some minutes the first time: ${missing[*]}"
if [[ " ${missing[*]} " == *" postgresql "* ]]; then
  # The tests make clusters of their own; the system needs none.
  quietly mkdir -p /etc/postgresql-common/createcluster.d
  quietly sh -c 'echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/communiconnect.conf'
fi
quietly apt-get update -qq
quietly apt-get install -y -qq --no-install-recommends "${missing[@]}"
