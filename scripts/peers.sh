#!/usr/bin/env bash
# Installs the programs that the tests, the benches or the fuzz targets meet. Quiet when all is there.
#
#   scripts/peers.sh tests|bench|fuzz           installs what is missing (as root, or with sudo)
#   scripts/peers.sh tests|bench|fuzz --check   only says what is missing; ends with 1 if anything is
set -euo pipefail

case "${1:-}" in
  tests)
    packages=(
      # Encoders and players.
      ffmpeg rtmpdump librtmp1 curl jq
      gstreamer1.0-tools gstreamer1.0-plugins-{base,good,bad,ugly} gstreamer1.0-libav
      # OBS, and a screen for it.
      obs-studio xvfb dbus xdotool
      # A browser, as a viewer has it.
      chromium
      # The other database; and a hand for the one.
      postgresql sqlite3
      # What servers have in common.
      redis-server
      # For the clients of the API that are Python programs.
      python3 python3-venv
    )
    ;;
  # The server measured beside ours, and the databases under the API.
  bench) packages=(nginx libnginx-mod-rtmp postgresql sqlite3) ;;
  # The compiler of libFuzzer's runtime.
  fuzz) packages=(clang) ;;
  *)
    echo 'usage: scripts/peers.sh tests|bench|fuzz [--check]' >&2
    exit 2
    ;;
esac

# A store that speaks S3: in no distribution, so built once and kept with what else is ours.
readonly S3_CRATE=s3s-fs@0.14.1
s3_home=${XDG_CACHE_HOME:-$HOME/.cache}/communiconnect-live/s3
if [[ $1 == tests && ! -x $s3_home/bin/s3s-fs ]]; then
  if [[ ${2:-} == --check ]]; then
    echo "missing: $S3_CRATE" >&2
    exit 1
  fi
  echo "▸ building $S3_CRATE, which takes some minutes the first time"
  CARGO_TARGET_DIR=$s3_home/target CARGO_PROFILE_DEV_OPT_LEVEL=1 \
    cargo install --quiet --locked --debug --features binary --root "$s3_home" "$S3_CRATE"
  rm -rf "$s3_home/target"
fi

# Clients of the API, in versions of their own.
readonly API_CLIENTS=(schemathesis==4.32.5 tuspy==1.1.0 requests==2.34.2)
clients_home=${XDG_CACHE_HOME:-$HOME/.cache}/communiconnect-live/clients
api_clients() {
  [[ $(cat "$clients_home/installed" 2>/dev/null) == "${API_CLIENTS[*]}" ]] && return
  if [[ $1 == --check ]]; then
    echo "missing: ${API_CLIENTS[*]}" >&2
    exit 1
  fi
  echo "▸ installing with pip: ${API_CLIENTS[*]}"
  rm -rf "$clients_home"
  python3 -m venv "$clients_home"
  "$clients_home/bin/pip" install --quiet --disable-pip-version-check "${API_CLIENTS[@]}"
  echo "${API_CLIENTS[*]}" >"$clients_home/installed"
}

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  [[ $1 == tests ]] && api_clients "${2:-}"
  exit 0
fi

if [[ ${2:-} == --check ]]; then
  echo "missing: ${missing[*]}" >&2
  exit 1
fi

as_root=(env DEBIAN_FRONTEND=noninteractive)
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "✗ needs root to install: ${missing[*]}" >&2; exit 1; }
  # After sudo, which drops the environment.
  as_root=(sudo "${as_root[@]}")
fi

log=$(mktemp)
undo=()
finish() {
  ((${#undo[@]} == 0)) || "${as_root[@]}" sh -c "$(printf '%s\n' "${undo[@]}")" || true
  rm -f "$log"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
quietly() { "${as_root[@]}" "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }; }
installs() { [[ " ${missing[*]} " == *" $1 "* ]]; }

if installs postgresql; then
  # The tests make clusters of their own (scripts/postgres.sh): the package shall neither create nor
  # start one. Said for this installation only; what somebody installs later is theirs.
  no_cluster=/etc/postgresql-common/createcluster.d/communiconnect.conf
  undo+=("rm -f $no_cluster" "rmdir --ignore-fail-on-non-empty ${no_cluster%/*} 2>/dev/null")
  quietly sh -c "mkdir -p ${no_cluster%/*} && echo 'create_main_cluster = false' >$no_cluster"
fi
for service in nginx redis-server; do
  # The benches and the tests start servers of their own: the service of a package that was not here
  # before shall not go on, nor come back at the next boot.
  installs "$service" || continue
  undo+=("if [ -d /run/systemd/system ]; then systemctl disable --quiet --now $service" \
    "else service $service stop; update-rc.d $service disable" 'fi >/dev/null 2>&1')
done

echo "▸ installing with apt, which takes some minutes the first time: ${missing[*]}"
quietly apt-get update -qq
quietly apt-get install -y -qq --no-install-recommends "${missing[@]}"
if [[ $1 == tests ]]; then api_clients ""; fi
