#!/usr/bin/env bash
# Installs what building and showing the server needs: a C compiler, FFmpeg with its headers, Node.js.
# Quiet when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need cc build-essential
need cmake cmake
need curl curl
need jq jq
need ffmpeg ffmpeg
need node nodejs
need npm npm
# The media worker links FFmpeg; clang reads its headers.
need pkg-config pkg-config
for library in avcodec avformat avutil swresample swscale; do
  pkg-config --exists "lib$library" 2>/dev/null || missing+=("lib$library-dev")
done
[[ -n $(compgen -G '/usr/lib/llvm-*/lib/libclang.so') ]] || missing+=(libclang-dev)

if ((${#missing[@]})); then
  echo "▸ installing with apt: ${missing[*]}"
  as_root=(env DEBIAN_FRONTEND=noninteractive)
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "✗ needs root to install: ${missing[*]}" >&2; exit 1; }
    # After sudo, which drops the environment.
    as_root=(sudo "${as_root[@]}")
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The page's tools want a newer Node.js than Debian 12 has; npm carries one, kept out of the system.
node_is_new_enough() { node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; }
if ! node_is_new_enough; then
  node_home=${XDG_CACHE_HOME:-$HOME/.cache}/communiconnect-live/node
  echo "▸ $(node --version) is too old to build the page: installing Node.js 22 in $node_home"
  npm install --prefix "$node_home" --no-audit --no-fund --loglevel=error node@22 npm@11
fi

if ! command -v cargo >/dev/null 2>&1; then
  echo "✗ cargo is missing: install a Rust toolchain ($(sed -n 's/^rust-version = "\(.*\)"/\1 or newer/p' Cargo.toml)), then run this again." >&2
  exit 1
fi
