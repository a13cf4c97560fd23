#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    tied jobs do not notice that the worker they were sent to first is frozen: the twin
#         starts, claims the job, and the frozen copy is told to leave, and leaves.
# METHOD  SIGSTOP of one of two workers; the record of the job that went there first.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

start_coordinator --hedge-burst=100
for i in 1 2; do start_worker "w$i"; done
wait_workers 2
hedgerow run echo warm --repeat 20 -c 2 -o none || fail "the first jobs"

step "one worker is frozen"
kill -STOP "${PID[w1]}"
hedgerow run echo x --repeat 20 -c 1 --mode tied --timeout 10s -o none
expect "all jobs succeed" 0 $?
ids=$(get "/v1/jobs?page_size=20" | grep -oE '"id": ?"[^"]*"' | cut -d'"' -f4)
kill -CONT "${PID[w1]}"
tied=''
for id in $ids; do
    job=$(get "/v1/jobs/$id" | tr -d ' \n')
    # Where the machine is busy the other worker is late as well; then the twin is at w1.
    grep -q '"number":1,"kind":"primary","worker":"w1"' <<<"$job" || continue
    tied=$id
    expect_match "$id was won by the twin, at the other worker" \
        '"winner":\{"attempt":2,"kind":"tie","worker":"w2"\}' "$job"
    expect_match "and its first copy was told" '"number":1,.*"cancel_cause":"lost_race"' "$job"
done
expect_more "some went to it first" "${#tied}" 0
expect_match "explain tells of it" "tied +a second copy waited at w2, and started first" \
    "$(hedgerow explain "$tied" 2>&1)"

step "nothing is left of it"
wait_until "no copy is in flight" 20 metric_is 0 hedgerow_attempts_in_flight
expect "sent = ended, over all kinds and states" \
    "$(metric hedgerow_attempts_started_total)" "$(metric hedgerow_attempts_finished_total)"
finish
