#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    every event meets every state in which it can come; clean seeds say nothing about
#         a pair that they never tried.
# METHOD  30,000 seeds with --coverage; the pairs that cannot be are named here.  In release
#         only: a sanitizer changes no path of the core.
set -euo pipefail
[ -z "${HEDGEROW_SANITIZE:-}" ] || exit 77
table=$("${HEDGEROW_BIN:?}/hedgerow-sim" faults --seeds 30000 --quiet --coverage)
missing=$(awk '
    $1 != "copy" && $1 != "job" && $1 != "worker" { next }
    { pairs++ }
    # What is over, or was never there, has no deadline; nobody can be missed who is unknown.
    $1 == "job" && $3 == "DEADLINE" && ($2 ~ /settled$/ || $2 == "no_job") { next }
    $1 == "worker" && $2 == "no_worker" && $3 == "SILENCE" { next }
    $4 == 0
    END { if (pairs < 200) print "only " pairs " pairs in the table" }' <<<"$table")
[ -z "$missing" ] || { echo "never tried:"; echo "$missing"; exit 1; }
