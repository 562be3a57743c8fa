#!/bin/sh
# Installs what the tests, the demo and the build need from Debian: encoders and players, a browser,
# OBS, nginx with its RTMP module, PostgreSQL, the linker. Says what it does, and nothing when
# everything is there.
#
#   scripts/peers.sh            install what is missing (as root, or with sudo)
#   scripts/peers.sh --check    only say what is missing; ends with 1 when something is
set -eu

packages="
ffmpeg
gstreamer1.0-tools
gstreamer1.0-plugins-base
gstreamer1.0-plugins-good
gstreamer1.0-plugins-bad
gstreamer1.0-plugins-ugly
gstreamer1.0-libav
rtmpdump
librtmp1
obs-studio
xvfb
xauth
dbus
xdotool
chromium
nodejs
npm
nginx-light
libnginx-mod-rtmp
postgresql
curl
jq
clang
lld
"

# One question for all of them: dpkg answers "installed" for each that is.
missing=
for package in $packages; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
# Node from elsewhere serves as well as Debian's.
if command -v node >/dev/null && command -v npm >/dev/null; then
    missing=$(printf '%s' "$missing" | sed 's/ nodejs\b//; s/ npm\b//')
fi
[ -n "$missing" ] || exit 0

if [ "${1:-}" = --check ]; then
    echo "missing:$missing" >&2
    exit 1
fi

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "These Debian packages are missing, and neither root nor sudo is at hand:$missing" >&2
    exit 1
fi

# Services of packages stay off: tests start their own, on their own ports, in their own folders.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt="$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get --quiet --yes"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

step() {
    echo "$1" >&2
    shift
    "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
}

step "Reading Debian's list of packages" $apt update
step "Installing$missing (the first time, some minutes)" \
    $apt install --no-install-recommends $missing
