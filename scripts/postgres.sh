#!/usr/bin/env bash
# A PostgreSQL server for one run of the tests: its own folder, its own port, nothing to do with any
# cluster of the system or any other run. Knows nothing worth keeping: fsync is off, and `stop` removes
# the folder.
#
#   scripts/postgres.sh start [SETTING=VALUE...]
#                                       starts one; prints `export TEST_DATABASE_URL=... TEST_DATABASE_FOLDER=...`
#   scripts/postgres.sh stop [FOLDER]   stops the one in FOLDER, $TEST_DATABASE_FOLDER if not said, and
#                                       removes it; fine if it does not run
#
# Typical use: eval "$(scripts/postgres.sh start)"; cargo test ...; scripts/postgres.sh stop
set -euo pipefail
umask 077

# PostgreSQL refuses to run as root. As root it runs as the user of the Debian package.
readonly UNPRIVILEGED=postgres
readonly NAME=communiconnect-postgres

main() {
  case "${1:-}" in
    start) start "${@:2}" ;;
    stop) stop "${2:-${TEST_DATABASE_FOLDER:-}}" ;;
    *) fail 'usage: scripts/postgres.sh start [SETTING=VALUE...] | stop [FOLDER]' ;;
  esac
}

start() {
  local bin folder port password
  bin=$(binaries)
  [[ -n $bin ]] || fail 'PostgreSQL is not installed: scripts/peers.sh tests installs it'
  # Not below a home folder: the unprivileged user cannot enter it.
  folder=$(mktemp -d "${TMPDIR:-/tmp}/$NAME.XXXXXXXXXX")
  # What does not start leaves nothing behind. The folder is expanded now: a trap sees no locals.
  # shellcheck disable=SC2064
  trap "stop '$folder'" EXIT
  trap 'exit 130' INT TERM HUP
  owned "$folder"
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s\n' "$password" >"$folder/password"
  owned "$folder/password"

  unprivileged "$bin/initdb" --pgdata="$folder/data" --username=communiconnect \
    --auth=scram-sha-256 --pwfile="$folder/password" \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1 \
    || fail 'initdb failed:' "$folder/initdb.log"
  # Nothing here outlives the tests: durability only costs time. No socket file: its path has room for
  # 107 bytes, which a deep TMPDIR exceeds.
  cat >>"$folder/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 32MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
CONF
  if (($#)); then printf '%s\n' "$@" >>"$folder/data/postgresql.conf"; fi

  # The system names a free port; somebody may take it before the server does.
  for _ in {1..5}; do
    port=$(free_port)
    if unprivileged "$bin/pg_ctl" start --pgdata="$folder/data" --wait --silent \
        --log="$folder/server.log" --options="-p $port" >/dev/null 2>&1 </dev/null; then
      trap - EXIT
      say "PostgreSQL listens on 127.0.0.1:$port"
      printf "export TEST_DATABASE_URL='%s' TEST_DATABASE_FOLDER='%s'\n" \
        "postgres://communiconnect:$password@127.0.0.1:$port/postgres" "$folder"
      return
    fi
    grep -q 'could not bind' "$folder/server.log" || break
    rm -f "$folder/server.log"
  done
  fail 'PostgreSQL did not start:' "$folder/server.log"
}

stop() {
  # The name is ours and made by mktemp: nothing else is ever removed.
  [[ -d $1 && $1 == */"$NAME".?????????? ]] || return 0
  if [[ -f $1/data/postmaster.pid ]]; then
    unprivileged "$(binaries)/pg_ctl" stop --pgdata="$1/data" --mode=immediate --wait \
      --timeout=10 --silent >/dev/null 2>&1 || true
  fi
  rm -rf -- "$1"
}

# The folder of initdb and pg_ctl, which Debian keeps out of PATH; empty if there is none.
binaries() {
  local candidate newest_first
  newest_first=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr)
  for candidate in $newest_first "$(dirname "$(command -v initdb || true)")"; do
    if [[ -x $candidate/initdb && -x $candidate/pg_ctl ]]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}

free_port() {
  perl -MIO::Socket::INET -e '
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 0)
      or die "no free port: $!\n";
    print $socket->sockport'
}

owned() {
  if ((EUID == 0)); then chown "$UNPRIVILEGED:" "$1"; fi
}

# From a folder that the unprivileged user may stand in.
unprivileged() (
  cd /
  if ((EUID == 0)); then exec runuser -u "$UNPRIVILEGED" -- "$@"; else exec "$@"; fi
)

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "postgres.sh: $1"
  if [[ -n ${2:-} ]]; then tail -n 20 "$2" >&2 || true; fi
  exit 1
}

main "$@"
