#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    whatever ends a job (its deadline, Ctrl-C, `hedgerow cancel`, a closed curl) stops
#         its work on the worker, and that is heard of; of a command and its child no process
#         is left.
# METHOD  jobs that would run for a minute; metrics, explain and the process table afterwards.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

# Words in the command line that only these processes have.
mark=4117$((RANDOM + 10000))
command="^(/bin/)?(sh|sleep) .*$mark"
start_coordinator
start_worker w1 --exec "nap=sleep $mark" --exec "nest=sleep $mark & sleep $mark; true" \
    --exec "deaf=trap '' TERM; sleep $mark; sleep $mark"
start_worker w2 --exec "nap=sleep $mark" --exec "nest=sleep $mark & sleep $mark; true" \
    --exec "deaf=trap '' TERM; sleep $mark; sleep $mark"
wait_workers 2

nothing_runs() {
    metric_is 0 hedgerow_attempts_in_flight && metric_is 0 hedgerow_worker_running &&
        metric_is 0 hedgerow_jobs_in_flight
}

all_stopped() { # WHAT: and nothing of it goes on
    wait_until "$1: no copy runs on any worker" 10 nothing_runs
    wait_until "$1: no process is left" 10 no_process "$command"
    expect "$1: every cancel was acknowledged" \
        "$(metric hedgerow_cancels_sent_total)" "$(metric hedgerow_cancels_acked_total)"
}

runs() { metric_is "$1" hedgerow_worker_running; }
has_process() { ! no_process "$command"; }

step "a deadline"
began=$(now_ms)
hedgerow run sleep 10s --timeout 300ms --hedge off >"$FOLDER/out" 2>"$FOLDER/err"
code=$?
took=$(($(now_ms) - began))
expect "exit code" 124 $code
expect "stdout stays empty" "" "$(cat "$FOLDER/out")"
if in_release; then
    expect_less "from start to exit in ms" $took 400
fi
all_stopped "deadline"
expect_more "the metrics tell its cause" \
    "$(metric hedgerow_cancels_sent_total 'cause="deadline"')" 0
story=$(hedgerow explain --last 2>&1)
expect_match "explain: the job's end" 'DEADLINE_EXCEEDED|deadline' "$story"
expect_match "explain: the copy stopped" 'STOPPED|stopped' "$story"

for handler in sleep nap nest deaf; do
    input=60s
    [ $handler = sleep ] || input=''

    step "$handler: Ctrl-C"
    # A job of its own, as in a terminal: the others are born deaf to SIGINT.
    set -m
    hedgerow run $handler $input --hedge off >"$FOLDER/out" 2>&1 &
    runner=$!
    set +m
    wait_until "it runs" 10 runs 1
    [ $handler = sleep ] || wait_until "its process is there" 10 has_process
    began=$(now_ms)
    kill -INT $runner
    wait $runner
    expect "exit code" 130 $?
    took=$(($(now_ms) - began))
    if in_release && [ $handler != deaf ]; then expect_less "took ms" $took 1500; fi
    all_stopped "$handler, Ctrl-C"

    step "$handler: hedgerow cancel"
    job=$(cat /proc/sys/kernel/random/uuid)
    # A UUIDv7: its first 48 bits are the time.
    time=$(printf '%012x' "$(now_ms)")
    job=${time:0:8}-${time:8}-7${job:15:3}-8${job:20}
    curl -sS -o "$FOLDER/answer" -w '%{http_code}' -H "X-Job-Id: $job" --data-binary "$input" \
        "$HTTP/v1/handlers/$handler:invoke?hedge=off" >"$FOLDER/status" &
    runner=$!
    wait_until "it runs" 10 runs 1
    [ $handler = sleep ] || wait_until "its process is there" 10 has_process
    hedgerow cancel "$job" >"$FOLDER/out" 2>&1
    expect "cancel's exit code" 0 $?
    wait $runner
    expect "its client hears it" 499 "$(cat "$FOLDER/status")"
    all_stopped "$handler, cancel"
    expect_match "explain names the cause" 'user' "$(hedgerow explain "$job" 2>&1)"

    step "$handler: a closed curl"
    before=$(metric hedgerow_cancels_sent_total 'cause="client_gone"')
    curl -sS --data-binary "$input" "$HTTP/v1/handlers/$handler:invoke?hedge=off" \
        >/dev/null 2>&1 &
    runner=$!
    wait_until "it runs" 10 runs 1
    [ $handler = sleep ] || wait_until "its process is there" 10 has_process
    kill -KILL $runner
    wait $runner 2>/dev/null
    all_stopped "$handler, closed curl"
    expect "the metrics tell its cause" $((before + 1)) \
        "$(metric hedgerow_cancels_sent_total 'cause="client_gone"')"
done
finish
