#!/usr/bin/env bash
# Installs what building and showing the server needs: a C compiler, ffmpeg, Node.js. Quiet when all is there.
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

if ((${#missing[@]})); then
  echo "▸ installing with apt: ${missing[*]}"
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! command -v cargo >/dev/null 2>&1; then
  echo "✗ cargo is missing: install a Rust toolchain ($(sed -n 's/^rust-version = "\(.*\)"/\1 or newer/p' Cargo.toml)), then run this again." >&2
  exit 1
fi
