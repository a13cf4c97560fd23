#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    the core in the simulator agrees with queueing theory where theory is exact, in mean
#         response (service Exp(10 ms); the mean is printed in units of it).
# METHOD  M/M/1: 1/(1-rho).  M/M/k: Erlang C.  LAEDGE with two copies: a birth-death chain
#         with death rate min(2n, k).  Redundancy-2 with cancellation (`twice`, no core): the
#         sum of Gardner et al.  Within 1 % up to load .8 and 3 % at .9 with enough jobs;
#         the short form allows what its length must allow.
set -euo pipefail
sim="${HEDGEROW_BIN:?}/hedgerow-sim"
jobs=200000
loads=".1 .3 .5 .7"
noise=1
if [ -n "${HEDGEROW_SANITIZE:-}" ]; then
    jobs=40000
    loads=".3"
fi
if [ -n "${HEDGEROW_TEST_LONG:-}" ]; then
    loads=".1 .2 .3 .4 .5 .6 .7 .8 .9"
    noise=0
fi

theory() { # model k rho
    awk -v model="$1" -v k="$2" -v rho="$3" '
    function choose(n, m,   i, c) {
        c = 1
        for (i = 1; i <= m; i++) c *= (n - m + i) / i
        return c
    }
    BEGIN {
        if (model == "random") {            # M/M/1 each
            print 1 / (1 - rho)
        } else if (model == "none") {       # M/M/k
            a = k * rho; term = 1; sum = 0
            for (n = 0; n < k; n++) { sum += term; term *= a / (n + 1) }
            wait = term / (1 - rho); c = wait / (sum + wait)
            print 1 + c / (k - a)
        } else if (model == "twice") {      # redundancy-2
            for (i = 2; i <= k; i++) {
                mean += 1 / (k * choose(k - 1, 1) / choose(i - 1, 1) - k * rho)
            }
            print mean
        } else {                            # death rate min(2n, k)
            p = 1; total = 1; mean = 0
            for (n = 1; n < 20000; n++) {
                p *= k * rho / (2 * n < k ? 2 * n : k); total += p; mean += n * p
            }
            print mean / total / (k * rho)
        }
    }'
}

worst=0
for rho in $loads; do
    if [ -n "${HEDGEROW_TEST_LONG:-}" ]; then # three standard errors are the bound
        jobs=$(awk -v rho="$rho" 'BEGIN {
            bound = rho > .85 ? .03 : .01
            printf "%d", (3 * 2 / (1 - rho) / bound) ^ 2 + 400000 }')
    fi
    for model in none:1 random:8 none:3 none:8 twice:3 twice:8 laedge:3 laedge:8; do
        name=${model%:*}
        k=${model#*:}
        mean=$("$sim" tail --service exp:10 --workers "$k" --slots 1 --policy "$name" \
            --load "$rho" --jobs "$jobs" --detail on 2>/dev/null |
            sed 's/.*"mean_ms":\([0-9.e+]*\).*/\1/')
        exact=$(theory "$name" "$k" "$rho")
        # The short form: three standard errors of a queue's mean, roughly, on top.
        awk -v mean="$mean" -v exact="$exact" -v jobs="$jobs" -v rho="$rho" -v what="$model" \
            -v noise="$noise" 'BEGIN {
                off = mean / 10 / exact - 1
                allowed = (rho > .85 ? .03 : .01) + noise * 3 * 2 / (1 - rho) / sqrt(jobs)
                printf "%-10s load %s: %.4f, theory %.4f (%+.2f %%)\n", what, rho,
                    mean / 10, exact, 100 * off
                exit !(off < allowed && off > -allowed)
            }' || { echo "outside of its bound"; worst=1; }
    done
done
exit $worst
