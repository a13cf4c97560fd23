#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    the default policy harms nowhere: over loads .1 to 1.5 and all service laws of T4,
#         its p50, p99 and goodput are never worse than no hedging by more than 2 %.
# METHOD  the same arrivals and the same luck with and without; past the capacity the queues
#         grow until jobs are refused or run out of time, and the few jobs of the short form
#         end before that: there it compares goodput alone.
set -euo pipefail
sim="${HEDGEROW_BIN:?}/hedgerow-sim"
jobs=100000
slack=1.01
settled=0
loads=".3 .6 .8 .9 1.2"
laws=("T4" "T4b" "T4c --same-size on" "T4d --same-size on")
if [ -n "${HEDGEROW_SANITIZE:-}" ]; then
    jobs=30000
    slack=1.10
    loads=".5 1.2"
fi
if [ -n "${HEDGEROW_TEST_LONG:-}" ]; then
    jobs=2000000
    slack=1
    settled=1
    loads=".1 .2 .3 .4 .5 .6 .7 .8 .9 1.0 1.1 1.2 1.3 1.4 1.5"
    laws=("T4" "T4b" "T4c" "T4d")
    laws+=("T4 --same-size on" "T4b --same-size on" "T4c --same-size on" "T4d --same-size on")
fi
failures=0
value() { sed "s/.*\"$2\":\([0-9.e+-]*\).*/\1/" <<<"$1"; }
for law in "${laws[@]}"; do
    for load in $loads; do
        # The longer its queues, the longer it takes until chance averages out.
        count=$jobs
        [ "$load" != .9 ] || count=$((4 * jobs))
        read -r -a options <<<"--workload $law --load $load --jobs $count"
        ours=$("$sim" tail "${options[@]}" --policy default 2>/dev/null)
        none=$("$sim" tail "${options[@]}" --policy none 2>/dev/null)
        line="$law at $load:"
        for key in p50_ms p99_ms goodput; do
            line="$line $key $(value "$ours" $key) $(value "$none" $key)"
        done
        if awk -v slack="$slack" -v load="$load" -v settled=$settled '{ sub(/.*: /, "")
                exit !($8 >= 0.98 / slack * $9 && (load > 1 && !settled ||
                    $2 <= 1.02 * slack * $3 && $5 <= 1.02 * slack * $6)) }' <<<"$line"; then
            echo "ok: $line"
        else
            echo "not ok: $line"
            failures=1
        fi
    done
done
exit $failures
