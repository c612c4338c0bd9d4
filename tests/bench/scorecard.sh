#!/usr/bin/env bash
# Scorecards of ten million obligations: compliance beside DuckDB and, where PostgreSQL is installed, PostgreSQL. The same
# questions, the same totals (checked equal). Then a Vigía of its own on SQLite: calls for the scorecard of now, and when a
# report shows in it. Needs Python 3, faketime and 8 GiB of memory; the tables lie in target/bench/scorecard. `ratio` is
# how many times faster than DuckDB the slower of both questions is. With fewer obligations (OBLIGATIONS=1000000) it says
# less, sooner.
set -euo pipefail
bench=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$bench/../.." && pwd)
cd "$root"
exec </dev/null
venv="$root/target/bench/venv"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import duckdb' 2>/dev/null || "$venv/bin/pip" install --quiet 'duckdb==2.0.1'
cargo build --quiet --release --workspace --bin vigia --bin load
program=$(cargo bench --quiet --workspace --bench scorecard --no-run --message-format=json |
  python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] == "scorecard":
        print(built["executable"])')
target=${CARGO_TARGET_DIR:-$root/target}
vigia=$target/release/vigia
load=$target/release/load
work=$(mktemp -d)
cleanup() {
  [[ -z ${server:-} ]] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
source "$bench/serve.sh"

echo "== $(nproc) × $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(awk '/MemTotal/ { printf "%d GiB", $2 / 1048576 }' /proc/meminfo); load average $(cut -d' ' -f1-3 /proc/loadavg)"
prepare fresh
serve fresh
"$load" scorecard --server "$listen" --keys "$work/fresh/bench-keys"
stop
"$venv/bin/python" "$bench/scorecard.py" "$program" "$load" "$target/bench/scorecard" "${OBLIGATIONS:-10000000}"
