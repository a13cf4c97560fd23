#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    one of three workers is frozen: with hedging nobody notices, without it somebody
#         waits until the worker is given up.
# METHOD  SIGSTOP, 500 jobs, 8 at a time; a second coordinator's run with hedging off.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

jobs=500
in_release || jobs=200
value() { sed -n "s/.*[ ]*$1=\\([0-9]*\\).*/\\1/p" <<<"$2" | tail -n 1; }

start_coordinator
for i in 1 2 3; do start_worker "w$i"; done
wait_workers 3
hedgerow run echo warm --repeat 30 -c 3 -o none || fail "the first jobs"

step "with hedging"
kill -STOP "${PID[w2]}"
summary=$(hedgerow run echo x --repeat $jobs -c 8 --hedge 20ms --summary -o none 2>&1)
code=$?
echo "$summary"
expect "all jobs succeed" 0 $code
expect_match "count" "count=$jobs ok=$jobs failed=0" "$summary"
expect_more "hedges were sent" "$(value hedged "$summary")" 0
expect_more "and won" "$(value hedge_wins "$summary")" 0
if in_release; then
    expect_less "p99 in ms" "$(value p99_ms "$summary")" 100
fi
kill -CONT "${PID[w2]}"
wait_workers 3

step "without hedging"
kill -STOP "${PID[w2]}"
summary=$(hedgerow run echo x --repeat $jobs -c 8 --hedge off --summary -o none 2>&1)
code=$?
echo "$summary"
expect "all jobs succeed, later" 0 $code
if in_release; then
    expect_more "the slowest in ms" "$(value max_ms "$summary")" 1000
fi
kill -CONT "${PID[w2]}"
wait_workers 3

step "what was sent is accounted for"
wait_until "no copy is in flight" 10 metric_is 0 hedgerow_attempts_in_flight
expect "sent = ended, over all kinds and states" \
    "$(metric hedgerow_attempts_started_total)" "$(metric hedgerow_attempts_finished_total)"
finish
