#!/usr/bin/env bash
# A PostgreSQL server for the tests: its own folder, its own port, nothing to do with any cluster of
# the system. Knows nothing worth keeping: fsync is off, and `stop` removes the folder.
#
#   scripts/postgres.sh start   starts it unless it runs; prints `export TEST_DATABASE_URL=...`
#   scripts/postgres.sh url     prints the address of the running server
#   scripts/postgres.sh stop    stops it and removes its folder; fine if it does not run
#
# Typical use: eval "$(scripts/postgres.sh start)"
set -euo pipefail
umask 077

# PostgreSQL refuses to run as root. As root it runs as the user of the Debian package.
readonly UNPRIVILEGED=postgres
# What is remembered of the running server: a line with its folder, a line with its address.
readonly STATE_DIR="${XDG_CACHE_HOME:-$HOME/.cache}/communiconnect-live/postgres"
readonly STATE="$STATE_DIR/server"

main() {
  case "${1:-}" in
    start) locked start; printf "export TEST_DATABASE_URL='%s'\n" "$(address)" ;;
    url) running || fail "it is not running; scripts/postgres.sh start starts it"; address ;;
    stop) locked stop ;;
    *) fail "usage: scripts/postgres.sh start|url|stop" ;;
  esac
}

start() {
  if running; then return; fi
  stop
  local bin folder port password attempt
  bin="$(binaries)"
  folder="$(make_folder)"
  # Remembered before anything runs in it, so that `stop` finds whatever a failure leaves behind.
  printf '%s\n' "$folder" >"$STATE"
  password="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
  printf '%s\n' "$password" >"$folder/password"
  owned "$folder/password"

  say "preparing a PostgreSQL server for the tests ..."
  unprivileged "$bin/initdb" --pgdata="$folder/data" --username=communiconnect \
    --auth=scram-sha-256 --pwfile="$folder/password" \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1 \
    || fail "initdb failed:" "$folder/initdb.log"
  # Nothing here outlives the tests: durability only costs time.
  cat >>"$folder/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$(socket_folder "$folder")'
max_connections = 200
shared_buffers = 32MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
CONF

  # The system names a free port; somebody may take it before the server does.
  for attempt in 1 2 3 4 5; do
    port="$(free_port)"
    if unprivileged "$bin/pg_ctl" start --pgdata="$folder/data" --wait --silent \
        --log="$folder/server.log" --options="-p $port" >/dev/null 2>&1 </dev/null; then
      printf '%s\npostgres://communiconnect:%s@127.0.0.1:%s/postgres\n' \
        "$folder" "$password" "$port" >"$STATE"
      say "PostgreSQL listens on 127.0.0.1:$port"
      return
    fi
    grep -q 'could not bind' "$folder/server.log" || break
  done
  fail "PostgreSQL did not start (attempt $attempt):" "$folder/server.log"
}

stop() {
  [[ -f $STATE ]] || return 0
  local folder
  folder="$(sed -n 1p "$STATE")"
  if [[ -f $folder/data/postmaster.pid ]]; then
    unprivileged "$(binaries)/pg_ctl" stop --pgdata="$folder/data" --mode=immediate --wait \
      --timeout=10 --silent >/dev/null 2>&1 || true
  fi
  # The name is ours and made by mktemp: nothing else is ever removed.
  case "$folder" in
    */communiconnect-postgres.??????????) rm -rf -- "$folder" ;;
  esac
  rm -f -- "$STATE"
}

running() {
  local folder
  folder="$(sed -n 1p "$STATE" 2>/dev/null)" || return 1
  [[ -n $folder && -n $(address) ]] || return 1
  # Both: a process that has died may still be listed, and a port may have passed to another.
  unprivileged "$(binaries)/pg_ctl" status --pgdata="$folder/data" >/dev/null 2>&1 \
    && "$(binaries)/pg_isready" --dbname="$(address)" --timeout=5 >/dev/null 2>&1
}

address() { sed -n 2p "$STATE"; }

# One start or stop at a time. The lock is not passed on to the server.
locked() {
  mkdir -p "$STATE_DIR"
  exec 9>"$STATE_DIR/lock"
  flock --timeout 60 9 || fail "another start or stop is still under way"
  "$@" 9>&-
  exec 9>&-
}

# The folder of initdb and pg_ctl, which Debian keeps out of PATH. Installed if missing.
binaries() {
  local found
  found="$(find_binaries)"
  if [[ -z $found && $(id -u) == 0 ]]; then
    say "installing PostgreSQL ..."
    # Without a cluster of the system's own, which the package would create and start.
    mkdir -p /etc/postgresql-common/createcluster.d
    printf 'create_main_cluster = false\n' >/etc/postgresql-common/createcluster.d/communiconnect.conf
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >&2
    rm -f /etc/postgresql-common/createcluster.d/communiconnect.conf
    found="$(find_binaries)"
  fi
  [[ -n $found ]] || fail "PostgreSQL is not installed: apt-get install postgresql"
  printf '%s\n' "$found"
}

find_binaries() {
  local candidate newest_first
  newest_first="$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr || true)"
  for candidate in $newest_first "$(command -v initdb 2>/dev/null | xargs -r dirname || true)"; do
    if [[ -x $candidate/initdb && -x $candidate/pg_ctl ]]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}

# Not below a home folder when called as root: the unprivileged user cannot enter it.
make_folder() {
  local parent="$STATE_DIR" folder
  if [[ $(id -u) == 0 ]]; then parent="${TMPDIR:-/tmp}"; fi
  folder="$(mktemp -d "$parent/communiconnect-postgres.XXXXXXXXXX")"
  owned "$folder"
  printf '%s\n' "$folder"
}

# The path of a socket has room for 107 bytes; a deep home folder leaves too few.
socket_folder() {
  if ((${#1} <= 80)); then printf '%s' "$1"; fi
}

free_port() {
  perl -MIO::Socket::INET -e '
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 0)
      or die "no free port: $!\n";
    print $socket->sockport'
}

owned() {
  if [[ $(id -u) == 0 ]]; then chown "$UNPRIVILEGED:" "$1"; fi
}

# From a folder that the unprivileged user may stand in.
unprivileged() (
  cd /
  if [[ $(id -u) == 0 ]]; then runuser -u "$UNPRIVILEGED" -- "$@"; else "$@"; fi
)

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "postgres.sh: $1"
  if [[ -n ${2:-} ]]; then tail -n 20 "$2" >&2; fi
  exit 1
}

main "$@"
