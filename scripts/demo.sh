#!/usr/bin/env bash
# The main job on one machine: the server, an account, a live, a moving test picture, a page to watch it on.
set -euo pipefail
cd "$(dirname "$0")/.."

DATA=${DATA:-$PWD/data}
export COMMUNICONNECT_DATA_DIR=$DATA
say() { printf '\033[1m▸ %s\033[0m\n' "$*"; }
fail() { printf '✗ %s\n' "$*" >&2; exit 1; }

# Its file is left behind by a server that was killed: only an answer says that one runs.
if [[ -s $DATA/addresses.json ]]; then
  address=$(jq -r '.http // empty' "$DATA/addresses.json" 2>/dev/null || true)
  if [[ -n $address ]] && curl -sS -o /dev/null --noproxy '*' --max-time 3 "http://$address/api/health/" 2>/dev/null; then
    fail "a server already runs on $DATA, at http://$address: stop it first, or say DATA=another-folder"
  fi
fi

server='' encoder=''
# The encoder first, then the server: the live ends as it does when somebody stops publishing.
finish() {
  trap - EXIT
  trap 'kill -KILL $encoder $server 2>/dev/null || true' INT TERM HUP
  printf '\n'
  stop "$encoder"
  stop "$server"
  say "stopped; accounts and lives stay in $DATA"
}
stop() {
  [[ -n $1 ]] || return 0
  kill -TERM "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

say 'building the server (a few minutes the first time)'
cargo build --release --locked -p communiconnect-live -p communiconnect-media-worker

# What is written here is for its owner: passwords, keys, logs. Files of earlier runs keep their modes.
umask 077
mkdir -p "$DATA"
rm -f "$DATA/addresses.json" "$DATA/server.log" "$DATA/encoder.log"
trap finish EXIT
trap 'exit 0' INT TERM HUP
say "starting it on $DATA; its log is $DATA/server.log"
# Out of reach of the terminal's Ctrl-C, as the encoder: `finish` stops them in order.
setsid "$CARGO_TARGET_DIR/release/communiconnect-live" 2>"$DATA/server.log" &
server=$!
for _ in {1..200}; do
  [[ ! -s $DATA/addresses.json ]] || break
  kill -0 "$server" 2>/dev/null || { tail -n 3 "$DATA/server.log" >&2; server=''; fail 'the server did not start'; }
  sleep 0.05
done
[[ -s $DATA/addresses.json ]] || fail "the server is not ready after 10 s; see $DATA/server.log"
port=$(jq -r '.http | split(":") | last' "$DATA/addresses.json")
site=http://localhost:$port

# call METHOD PATH [BODY]: the JSON answer, whatever its status.
call() {
  curl -sS -X "$1" "$site$2" -H 'content-type: application/json' ${token:+-H "authorization: Bearer $token"} ${3:+-d "$3"}
}

account=$DATA/demo-account.json
if [[ ! -s $account ]]; then
  jq -n --arg password "$(head -c 9 /dev/urandom | base64 | tr '+/' 'az')" \
    '{username: "demo", email: "demo@exemple.gn", password: $password}' >"$account"
fi
token=''
answer=$(call POST /api/users/login/ "$(jq -c '{email, password}' "$account")")
if [[ $(jq 'has("tokens")' <<<"$answer") != true ]]; then
  say 'creating the demo account'
  quartier=$(call GET /api/users/geographic-data/ | jq '.quartiers[0].id')
  answer=$(call POST /api/users/register/ "$(jq -c --argjson quartier "$quartier" \
    '. + {password_confirm: .password, first_name: "Démo", last_name: "CommuniConnect", quartier: $quartier}' "$account")")
fi
token=$(jq -r '.tokens.access // empty' <<<"$answer")
[[ -n $token ]] || fail "no session for the demo account: $answer"

say 'starting a live'
start() { call POST /api/posts/live/start/ '{"title": "Démonstration", "description": "Une mire animée, en direct."}'; }
live=$(start)
if [[ $(jq 'has("stream_key")' <<<"$live") != true ]]; then
  # The live of an interrupted run is still waiting for its publisher.
  mine=$(jq '.user.id' <<<"$answer")
  earlier=$(call GET '/api/posts/?type=live' | jq --argjson mine "$mine" 'first(.results[] | select(.author.id == $mine) | .id) // empty')
  [[ -z $earlier ]] || call PUT "/api/posts/live/$earlier/stop/" '{}' >/dev/null
  live=$(start)
fi
[[ $(jq 'has("stream_key")' <<<"$live") == true ]] || fail "the live did not start: $live"
rtmp_url=$(jq -r .rtmp_url <<<"$live")

say 'pushing a test picture with sound'
setsid ffmpeg -nostdin -hide_banner -loglevel error -re \
  -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i 'sine=frequency=220:beep_factor=4:sample_rate=48000' \
  -vf "drawtext=text='%{localtime\:%T}':fontsize=96:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=20:x=(w-tw)/2:y=h-th-60,format=yuv420p" \
  -c:v libx264 -preset veryfast -tune zerolatency -b:v 1500k -maxrate 1500k -bufsize 3000k -g 60 \
  -c:a aac -b:a 96k -ac 2 -f flv "$rtmp_url" 2>"$DATA/encoder.log" &
encoder=$!

hls=$(jq -r .hls_url <<<"$live")
waited=0
until curl -sSf -o /dev/null "$hls" 2>/dev/null; do
  kill -0 "$encoder" 2>/dev/null || { cat "$DATA/encoder.log" >&2; encoder=''; fail 'the encoder stopped'; }
  ((++waited < 20)) || fail "no playlist after 20 tries; see $DATA/server.log and $DATA/encoder.log"
  sleep 0.5
done

cat <<TXT

  Watch          $(jq -r .watch_url <<<"$live")
  HLS            $hls
  Data folder    $DATA
  Account        $(jq -r .email "$account")  /  $(jq -r .password "$account")     (sign in at $site)

  To push from OBS instead: sign in, open « Passer en direct », and in OBS choose
  Settings → Stream → Service: Custom, then
    Server       $(jq -r .rtmp_server <<<"$live")
    Stream key   the one the page shows (each live has its own)

  Ctrl-C ends everything.

TXT
wait "$encoder" || true
encoder=''
# Whoever stops the live on the page wants to see its recording next.
if [[ $(curl -sS "$site/api/lives/$(jq -r .playback_name <<<"$live")/" | jq -r .status) == ended ]]; then
  say "the live was ended; its recording is where it was, and the server goes on until Ctrl-C"
  wait "$server" || true
  exit 0
fi
cat "$DATA/encoder.log" >&2
fail 'the encoder stopped'
