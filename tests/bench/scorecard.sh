#!/usr/bin/env bash
# Scorecards of ten million obligations: the projection of services/compliance beside DuckDB and, where `postgres` is
# installed, PostgreSQL. The same questions, the same totals (checked equal). Needs Python 3 and 8 GiB of memory; the
# tables lie in target/bench/scorecard. `ratio` is how many times faster than DuckDB the slower of both questions is.
# With fewer obligations (OBLIGATIONS=1000000) it says less, sooner.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv="$root/target/bench/venv"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import duckdb' 2>/dev/null || "$venv/bin/pip" install --quiet 'duckdb==2.0.1'
(cd "$root" && cargo bench --quiet -p vigia-compliance --bench scorecard --no-run)
bench=$(ls -t "$root"/target/release/deps/scorecard-* | grep -v '\.d$' | head -1)
exec "$venv/bin/python" "$here/scorecard.py" "$bench" "$root/target/bench/scorecard" "${OBLIGATIONS:-10000000}"
