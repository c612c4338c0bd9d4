#!/usr/bin/env bash
# Uploads of evidence against a plain copy with SHA-256 and fsync on the same disk: the design asks for 60 % of its speed
# and at most 64 MiB of memory more. Sizes in MiB as arguments, 1024 by default; TMPDIR says on which disk.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec cargo run --quiet --release -p vigia-reporting --example evidence -- "$@"
