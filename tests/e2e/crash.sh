#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    a killed worker costs no job; a killed coordinator leaves no work behind.
# METHOD  kill -9 of a worker with 50 jobs in flight: all succeed elsewhere.  kill -9 of the
#         coordinator: within the heartbeat bound no worker runs anything; it comes back, and
#         the workers with it.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

mark=4118$((RANDOM + 10000))
# Long enough that all 50 have begun before the first ends.
nap=2s
in_release || nap=8s
start_coordinator
for i in 1 2 3; do start_worker "w$i" --worker-slots=64 --exec "nap=sleep $mark"; done
wait_workers 3

step "kill -9 of a worker with 50 jobs in flight"
hedgerow run sleep $nap --repeat 50 -c 50 --hedge off --summary -o none \
    >"$FOLDER/out" 2>&1 &
runner=$!
wait_until "50 jobs run" 10 metric_is 50 hedgerow_worker_running
on_it=$(get /metrics | grep -F 'worker="w1"' | sed -n 's/^hedgerow_worker_running.* //p')
expect_more "some of them on w1" "${on_it:-0}" 0
crash w1
wait $runner
expect "exit code" 0 $?
expect_match "all succeed" 'count=50 ok=50 failed=0' "$(cat "$FOLDER/out")"
wait_until "no copy is in flight" 10 metric_is 0 hedgerow_attempts_in_flight
expect "each lost copy was replaced" \
    "$(metric hedgerow_attempts_finished_total 'state="UNREACHABLE"')" \
    "$(metric hedgerow_attempts_started_total 'kind="redispatch"')"
expect "sent = ended" \
    "$(metric hedgerow_attempts_started_total)" "$(metric hedgerow_attempts_finished_total)"
start_worker w1 --worker-slots=64 --exec "nap=sleep $mark"
wait_workers 3

step "kill -9 of the coordinator with work on every worker"
for _ in 1 2 3 4 5 6; do
    curl -s -o /dev/null --data-binary '' "$HTTP/v1/handlers/nap:invoke?hedge=off" &
done
sleepers() { [ "$(pgrep -c -f -- "^sleep $mark")" -ge 6 ]; }
wait_until "six processes run" 10 sleepers
crash coordinator
began=$(now_ms)
# 3 heartbeats of 1 s, and the time that stopping takes.
if wait_until "no worker runs anything" 6 no_process "^(/bin/)?(sh|sleep) .*$mark"; then
    took=$(($(now_ms) - began))
    echo "stopped after $took ms"
    if in_release; then expect_less "took ms" $took 4500; fi
fi

step "it comes back, and so do its workers"
start_coordinator
wait_workers 3
expect "a job runs" "$(printf x | sha256sum)" "$(hedgerow run sha256 x)"
wait_until "nothing of the former coordinator runs" 5 metric_is 0 hedgerow_worker_running
finish
