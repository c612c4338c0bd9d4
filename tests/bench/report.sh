#!/usr/bin/env bash
# `vigia report` on a plan with 100 actions over 20 quarters, compared with a year before, as HTML: how long, and how large.
# `tests/bench/run report` runs it; needs faketime, and the Python of the tests (tests/run makes it).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export PYTHONPATH=$root/tests/clients/python
exec "$root/tests/.venv/bin/python" "$root/tests/bench/report.py" </dev/null
