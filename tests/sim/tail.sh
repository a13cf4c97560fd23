#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    hedging reaches the goals of T1 to T8, and costs no more than its budget.
# METHOD  fixed seeds in virtual time, so that every number is the same in every run.  The
#         bounds are the goals; the short form, with fewer jobs, leaves 3 % for noise.
set -euo pipefail
sim="${HEDGEROW_BIN:?}/hedgerow-sim"
slack=1.03
size=1
if [ -n "${HEDGEROW_SANITIZE:-}" ]; then
    size=0.2
    slack=1.10
fi
if [ -n "${HEDGEROW_TEST_LONG:-}" ]; then
    size=5
    slack=1
fi
failures=0
jobs() { awk -v n="$1" -v size="$size" 'BEGIN { printf "%d", n * size }'; }

run() { # jobs and options -> "name=value ..." for awk -v
    local count
    count=$(jobs "$1")
    shift
    "$sim" tail --detail on --jobs "$count" "$@" 2>/dev/null
}

# what, condition of awk over a["p99_ms"] ... (the first line) and b[...] (the second)
expect() {
    if printf '%s\n%s\n' "$3" "${4:-}" | awk -v slack="$slack" '
        function read_line(into,   n, i, pair, parts) {
            gsub(/[{}"]/, "")
            n = split($0, parts, ",")
            for (i = 1; i <= n; i++) {
                split(parts[i], pair, ":")
                into[pair[1]] = pair[2] + 0
            }
        }
        NR == 1 { read_line(a) }
        NR == 2 { read_line(b) }
        END { exit !('"$2"') }'; then
        echo "ok: $1"
    else
        echo "not ok: $1: wanted $2"
        printf '  %s\n' "$3" "${4:-}"
        failures=1
    fi
}

expect "T1 at 5 %" 'a["p99_ms"] <= 21 * slack && a["extra_pct"] <= 5.05' \
    "$(run 200000 --workload T1 --policy singler --budget 5)"
expect "T1 at 10 %" \
    'a["p99_ms"] <= 16 * slack && a["p999_ms"] <= 46 * slack && a["extra_pct"] <= 10.05' \
    "$(run 200000 --workload T1 --policy singler --budget 10)"
expect "T2: 20 times" 'a["p999_ms"] * 20 <= b["p999_ms"] * slack && a["extra_pct"] <= 3' \
    "$(run 2000 --workload T2 --policy static:10)" "$(run 2000 --workload T2 --policy none)"
for load in .3 .6 .9; do
    plain=$(run 50000 --workload T4 --policy none --load $load)
    latency=$(run 50000 --workload T4 --policy latency --load $load)
    expect "T4: latency mode beats no copy at $load" 'a["p99_ms"] < b["p99_ms"]' \
        "$latency" "$plain"
    expect "T4: latency mode beats copying always at $load" \
        'a["p99_ms"] <= 1.02 * b["p99_ms"] * slack' "$latency" \
        "$(run 50000 --workload T4 --policy twice --load $load)"
done
expect "T5: hiccups" 'a["p99_ms"] <= 0.55 * b["p99_ms"]' \
    "$(run 100000 --workload T5 --policy latency)" "$(run 100000 --workload T5 --policy none)"
expect "T6: nothing to gain, nothing lost" \
    'a["p50_ms"] <= 1.02 * b["p50_ms"] * slack && a["p99_ms"] <= 1.02 * b["p99_ms"] * slack' \
    "$(run 200000 --workload T6 --policy default)" "$(run 200000 --workload T6 --policy none)"
for load in 1.03 1.4 1.74; do
    expect "T7: holds at $load" 'a["goodput"] >= 0.999 && a["p999_ms"] < 2500' \
        "$(run 100000 --workload T7 --policy default --load $load)"
done
expect "T7: chance collapses (the control)" 'a["goodput"] < 0.97' \
    "$(run 800000 --workload T7 --policy random --load 1.74)"
for name in T8 T8k; do
    expect "$name: no dip, the delay stays" \
        'a["dip_pct"] < 5 && a["goodput"] == 1 && a["extra_pct"] <= 5.05 &&
            a["delay_low_ms"] > 0.75 * a["delay_before_ms"] &&
            a["delay_high_ms"] < 1.25 * a["delay_before_ms"]' \
        "$(run 200000 --workload $name --policy default)"
done
exit $failures
