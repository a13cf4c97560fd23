#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    seeds of a faulty cluster are clean, and the same seeds leave the same trace.
# METHOD  10,000 seeds (fewer under a sanitizer), 1,000,000 in the long form;
#         `HEDGEROW_SEEDS` asks for another number.
set -euo pipefail
sim="${HEDGEROW_BIN:?}/hedgerow-sim"
seeds="${HEDGEROW_SEEDS:-10000}"
if [ -n "${HEDGEROW_SANITIZE:-}" ] && [ -z "${HEDGEROW_SEEDS:-}" ]; then
    seeds=1000
elif [ -n "${HEDGEROW_TEST_LONG:-}" ] && [ -z "${HEDGEROW_SEEDS:-}" ]; then
    seeds=1000000
fi
"$sim" faults --seeds "$seeds" --quiet
first=$("$sim" faults --seeds 200 --start 77 --quiet)
second=$("$sim" faults --seeds 200 --start 77 --quiet)
[ "$first" = "$second" ] || { echo "two runs, two traces: $first / $second"; exit 1; }
other=$("$sim" faults --seeds 200 --start 78 --quiet)
[ "$first" != "$other" ] || { echo "other seeds, same trace"; exit 1; }
