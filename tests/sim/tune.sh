#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    tune foretells what another policy does, also from samples of which some were
#         stopped early, and advises against hedging where nothing can be gained.
# METHOD  samples made here from a law that is known (a copy at 5 % is ten times as long; those
#         past 150 ms stopped there, as a hedge would), against `tail` on the law itself.
set -euo pipefail
sim="${HEDGEROW_BIN:?}/hedgerow-sim"

samples() { # SHARE_LONG STOP_MS: lines as the coordinator writes them
    awk -v share="$1" -v stop="$2" 'BEGIN {
        srand(7)
        for (i = 1; i <= 4000; i++) {
            at += -10 * log(1 - rand())
            ms = -20 * log(1 - rand())
            if (rand() < share) ms *= 10
            censored = stop > 0 && ms > stop
            if (censored) ms = stop
            printf "{\"number\":%d,\"arrived_ms\":%.3f,\"sent_ms\":%.3f,\"took_ms\":%.3f," \
                "\"queued_ms\":0.000,\"ran_ms\":%.3f,\"input_size\":0,\"attempt\":1," \
                "\"kind\":\"primary\",\"state\":\"%s\",\"censored\":%s}\n", i, at, at, ms, ms,
                censored ? "LOST" : "WON", censored ? "true" : "false"
        }
    }'
}
value() { sed "s/.*\"$1\":\([0-9.e+-]*\).*/\1/"; }
near() { # WHAT A B
    awk -v a="$2" -v b="$3" 'BEGIN { exit !(a > 0.9 * b && a < 1.1 * b) }' ||
        { echo "not ok: $1: $2, wanted $3"; exit 1; }
    echo "ok: $1: $2 for $3"
}

law=("--service" "exp:20;0.05x10" --workers 3 --slots 100 --load 0.00967)
for stop in 0 150; do
    told=$(samples 0.05 $stop | "$sim" tune --workers 3 --slots 100 --policy static:60 \
        --budget 8 --output json | sed 's/.*"choices":\[{[^}]*},//')
    true_=$("$sim" tail "${law[@]}" --policy static:60 --budget 8)
    for key in p50_ms p95_ms p99_ms; do
        near "$key, stopped at $stop" "$(value $key <<<"$told")" "$(value $key <<<"$true_")"
    done
done
advice=$(samples 0.05 0 | "$sim" tune --workers 3 --slots 100 --output json --jobs 30000)
grep -q '"recommended":{"policy":"none"' <<<"$advice" && { echo "not ok: $advice"; exit 1; }
advice=$(awk 'BEGIN { for (i = 1; i <= 500; i++) printf "{\"arrived_ms\":%d,\"took_ms\":20," \
    "\"queued_ms\":0,\"attempt\":1,\"kind\":\"primary\",\"censored\":false}\n", 10 * i }' |
    "$sim" tune --workers 3 --slots 100 --output json --jobs 30000)
grep -q '"recommended":{"policy":"none"' <<<"$advice" || { echo "not ok: $advice"; exit 1; }
samples 0.05 0 | "$sim" tune --workers 3 --slots 100 --jobs 30000 | grep -q "hedge.ratio" ||
    { echo "not ok: no advice"; exit 1; }
if echo nothing | "$sim" tune --workers 3 --slots 100 2>/dev/null; then
    echo "not ok: tuned on nothing"
    exit 1
fi
echo "ok: advice"
