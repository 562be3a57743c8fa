# To be sourced by what measures: a server of its own, and a live whose encoder shows the time. Both end
# with the script.
#
#   start_live SIZE KBITS    builds the server; sets $hls_url and $watch_url; returns once viewers may come
#   stop_live                ends it, and removes what it wrote

start_live() {
  cargo build --release --locked --quiet --bin communiconnect-live
  live_folder=$(mktemp -d)
  COMMUNICONNECT_DATA_DIR=$live_folder COMMUNICONNECT_HTTP__LISTEN=127.0.0.1:0 \
    COMMUNICONNECT_INGEST__LISTEN=127.0.0.1:0 COMMUNICONNECT_METRICS__LISTEN=127.0.0.1:0 \
    "$CARGO_TARGET_DIR/release/communiconnect-live" 2>"$live_folder/server.log" &
  server=$!
  for _ in {1..200}; do
    [[ ! -s $live_folder/addresses.json ]] || break
    kill -0 "$server" 2>/dev/null || { cat "$live_folder/server.log" >&2; return 1; }
    sleep 0.05
  done
  local site post=(curl -sSf -H 'content-type: application/json') token live
  site=http://$(jq -r .http "$live_folder/addresses.json")
  token=$("${post[@]}" "$site/api/users/register/" -d "$(jq -n \
    --argjson quartier "$(curl -sSf "$site/api/users/geographic-data/" | jq '.quartiers[0].id')" \
    --arg password "$(head -c 12 /dev/urandom | base64)" \
    '{username: "mesure", email: "mesure@exemple.gn", password: $password, password_confirm: $password,
      first_name: "Aïssatou", last_name: "Diallo", quartier: $quartier}')" | jq -r .tokens.access)
  live=$("${post[@]}" -H "authorization: Bearer $token" "$site/api/posts/live/start/" \
    -d '{"title": "Mesure", "description": ""}')
  scripts/clock.sh "$(jq -r .rtmp_url <<<"$live")" "$1" "$2" &
  encoder=$!
  hls_url=$site$(jq -r '.hls_url | sub("^https?://[^/]+"; "")' <<<"$live")
  watch_url=$site$(jq -r '.watch_url | sub("^https?://[^/]+"; "")' <<<"$live")
  for _ in {1..30}; do
    ! curl -sSf -o /dev/null "$hls_url" 2>/dev/null || return 0
    sleep 0.5
  done
  echo '✗ no picture after 15 s' >&2
  return 1
}

stop_live() {
  local process
  for process in ${encoder:-} ${server:-}; do
    kill "$process" 2>/dev/null && wait "$process" 2>/dev/null || true
  done
  [[ -z ${live_folder:-} ]] || rm -rf "$live_folder"
  encoder='' server='' live_folder=''
}

trap stop_live EXIT
trap 'exit 130' INT TERM HUP
