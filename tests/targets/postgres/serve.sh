#!/usr/bin/env bash
# PostgreSQL on a port of its own, in a folder that goes with it, until standard input ends: prints `port N`.
# `serve.sh --where` only prints where its programs are, and fails where there are none. With TLS set to a folder
# that holds server.crt, server.key and ca.crt, it takes encrypted connections, too.
set -euo pipefail

where() {
  if command -v pg_config >/dev/null && [ -x "$(pg_config --bindir)/initdb" ]; then
    pg_config --bindir
  else
    ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 | grep .
  fi
}

programs=$(where)
if [ "${1-}" = --where ]; then
  echo "$programs"
  exit
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/entrain-postgres.XXXXXX")
# It refuses to run as root.
as=()
if [ "$(id -u)" -eq 0 ]; then
  as=(setpriv --reuid postgres --regid postgres --clear-groups)
  chown postgres "$folder"
fi
cd "$folder"
"${as[@]}" "$programs/initdb" -D "$folder/data" -U postgres --auth=trust -E UTF8 --locale=C >"$folder/log" 2>&1
options=(-c listen_addresses=127.0.0.1 -c "unix_socket_directories=$folder" -c max_connections=400
  # The machine does not fail in a test; the server may.
  -c fsync=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0)
if [ -n "${TLS-}" ]; then
  for name in server.crt server.key ca.crt; do
    install -m 600 "$TLS/$name" "$folder/data/$name"
  done
  [ "$(id -u)" -ne 0 ] || chown postgres "$folder"/data/{server.crt,server.key,ca.crt}
  options+=(-c ssl=on -c ssl_ca_file=ca.crt)
fi
# Before the rules that let everybody in.
printf '%s\n' 'host all guarded 127.0.0.1/32 scram-sha-256' 'hostssl all certified 127.0.0.1/32 cert' \
  'host all certified 127.0.0.1/32 reject' \
  | cat - "$folder/data/pg_hba.conf" >"$folder/rules"
cat "$folder/rules" >"$folder/data/pg_hba.conf"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${as[@]}" "$programs/postgres" -D "$folder/data" -p "$port" "${options[@]}" >>"$folder/log" 2>&1 <&- &
# The program that started this may be killed: what is left of it is the end of its output, our input. A test may restart
# the server meanwhile.
(
  cat >/dev/null
  "${as[@]}" "$programs/pg_ctl" -D "$folder/data" -m immediate stop
  rm -rf "$folder"
) <&0 >/dev/null 2>&1 &
end=$!
for _ in $(seq 300); do
  if "$programs/pg_isready" -q -h 127.0.0.1 -p "$port"; then
    echo "port $port"
    wait "$end" || true
    exit
  fi
  kill -0 "$end" 2>/dev/null || exit
  sleep 0.1
done
cat "$folder/log" >&2
exit 1
