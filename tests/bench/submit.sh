#!/usr/bin/env bash
# Submissions against a hand-written transaction of the same work in pgbench, on the same PostgreSQL, in turn; and on
# SQLite against a loop of single durable commits. `tests/bench/run submit` runs it; with `--quick` one short round of
# each: whether it runs, not how fast. Needs Debian's postgresql-15 (pgbench is part of it) and faketime.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bench=$root/tests/bench
cd "$root"
exec </dev/null
rounds=5 seconds=8
[[ ${1:-} != --quick ]] || rounds=1 seconds=2

cargo build --quiet --release -p vigia -p vigia-bench --bins
target=${CARGO_TARGET_DIR:-$root/target}
vigia=$target/release/vigia
load=$target/release/load
bin=$(compgen -G "/usr/lib/postgresql/15/bin" || dirname "$(command -v pgbench)")
work=$(mktemp -d)
chmod 711 "$work" # the user of PostgreSQL passes through
cleanup() {
  [[ -z ${server:-} ]] || kill "$server" 2>/dev/null || true
  tests/postgres destroy "$work/postgres" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
source "$bench/serve.sh"

first=0
# submit NAME CLIENTS [RATE]: the load's line; each one begins with other obligations.
submit() {
  "$load" submit --server "$listen" --keys "$work/$1/bench-keys" --clients "$2" --seconds "$seconds" --rate "${3:-0}" --first "$first"
}
field() { awk -v name="$1" '{ for (i = 1; i < NF; i += 2) if ($i == name) print $(i + 1) }'; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
over() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

url=$(tests/postgres start "$work/postgres")
vigia_url=${url/\/postgres?/\/vigia?} pgbench_url=${url/\/postgres?/\/pgbench?}
psql -q "$url" -c 'CREATE DATABASE vigia' -c 'CREATE DATABASE pgbench'
prepare on-postgres "$vigia_url"
prepare on-sqlite
psql -q "$pgbench_url" -f "$bench/submit-tables.sql"

serve on-postgres "$vigia_url"
submit on-postgres 32 >/dev/null # warm
# The hand-written transaction writes rows of the same size.
sizes=$(psql -qAt -F ' ' "$vigia_url" -c "SELECT (SELECT avg(length(definition))::int FROM reporting.report),
  (SELECT avg(length(event))::int FROM reporting.journal_entry), (SELECT avg(length(answer))::int FROM reporting.idempotency)")
read -r definition_bytes event_bytes answer_bytes <<<"$sizes"

by_hand() { # CLIENTS
  "$bin/pgbench" -n -M prepared -f "$bench/submit.sql" -c "$1" -j "$(nproc)" -T "$seconds" -D definition_bytes="$definition_bytes" \
    -D event_bytes="$event_bytes" -D answer_bytes="$answer_bytes" "$pgbench_url" 2>/dev/null | awk '/^tps/ { print int($3) }'
}

echo "== $(nproc) × $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(awk '/MemTotal/ { printf "%d GiB", $2 / 1048576 }' /proc/meminfo); $("$bin/postgres" --version)"
echo "== bytes of a report's row, an entry's event, an answer: $definition_bytes, $event_bytes, $answer_bytes; load average $(cut -d' ' -f1-3 /proc/loadavg)"
for clients in 1 8 32; do
  for _ in $(seq "$rounds"); do
    by_hand "$clients" >>"$work/by-hand-$clients"
    first=$((first + 313))
    submit on-postgres "$clients" >"$work/line"
    field rate <"$work/line" >>"$work/vigia-$clients"
    field p99_us <"$work/line" >>"$work/p99-$clients"
  done
done
printf '\n| clients | pgbench, transactions/s | Vigía, submissions/s | ratio | Vigía p99, ms |\n|---|---|---|---|---|\n'
for clients in 1 8 32; do
  hand=$(median <"$work/by-hand-$clients") ours=$(median <"$work/vigia-$clients") p99=$(median <"$work/p99-$clients")
  printf '| %s | %s | %s | %s | %s |\n' "$clients" "$hand" "$ours" "$(over "$ours" "$hand")" "$(over "$p99" 1000)"
done
top=$(median <"$work/vigia-32")
ratio=$(over "$top" "$(median <"$work/by-hand-32")")
line=$(submit on-postgres 32 $((top / 2)))
printf '\np99 at half the highest rate (%s/s sent by a timetable): %s ms\n' "$((top / 2))" "$(over "$(field p99_us <<<"$line")" 1000)"
line=$(submit on-postgres 1000 2000)
rss=$(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$server/status")
printf 'memory with 1,000 connections (%s/s): %s MiB, of which facts of %s reports\n' "$(field rate <<<"$line")" "$rss" \
  "$(psql -qAt "$vigia_url" -c 'SELECT count(*) FROM reporting.report')"
stop

serve on-sqlite
submit on-sqlite 32 >/dev/null
for _ in $(seq "$rounds"); do
  python3 "$bench/sqlite_loop.py" "$work" "$seconds" "$definition_bytes" "$event_bytes" "$answer_bytes" >>"$work/loop"
  first=$((first + 313))
  submit on-sqlite 32 | field rate >>"$work/vigia-sqlite"
  submit on-sqlite 1 | field rate >>"$work/vigia-sqlite-1"
done
loop=$(median <"$work/loop") ours=$(median <"$work/vigia-sqlite")
printf '\nSQLite: a loop of single durable commits %s/s; Vigía with 32 clients %s/s (%s ×), with 1 client %s/s\n' "$loop" "$ours" \
  "$(over "$ours" "$loop")" "$(median <"$work/vigia-sqlite-1")"
stop
echo "ratio $ratio"
