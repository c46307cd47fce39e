# SPDX-License-Identifier: GPL-3.0-or-later
# Runs in the container as postgres: a new cluster, then the server. PORT and LISTEN come from create.yml.
set -eu
PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
data=$(mktemp -d)
initdb --pgdata="$data" --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --no-sync
exec postgres -D "$data" -p "$PORT" -c listen_addresses="$LISTEN" -c unix_socket_directories=/tmp -c fsync=off
