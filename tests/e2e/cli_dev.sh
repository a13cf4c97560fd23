#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    the first ten minutes: dev, run, explain, cancel, a worker that dies, the end; and
#         that nothing is left, even if dev is killed with -9.
. "${HEDGEROW_SOURCE:-.}/tests/support/cli.sh"

[ -x "$bin/hedgerow-coordinator" ] && [ -x "$bin/hedgerow-worker" ] || exit 77

start_dev --workers 3
log=$(cat "$work/dev.log")
has "$log" "Hedgerow is up."
has "$log" "hedgerow run -s $http sha256 hello"
has "$log" "coordinator |"
has "$log" "worker-1    |"
[ "$(stat -c %a "$token_file")" = 600 ] || fail "the token is not its owner's alone"

# ---- run ---------------------------------------------------------------------------------

expect 0 run sha256 hello <<'END'
2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  -
END
head -c 4194304 /dev/urandom >"$work/large"
hedgerow run sha256 - <"$work/large" >"$work/ours"
sha256sum <"$work/large" | cmp - "$work/ours" || fail "not what sha256sum says"
printf x >>"$work/large"
ask 2 run sha256 "@$work/large"
has "$err" 4194304

ask 0 run echo hello -o id
job=$out
ask 0 run echo hello -v
has "$err" "1 copy, won by primary/worker-"
ask 0 run echo hello -o json
has "$out" '"state": "SUCCEEDED"'

ask 3 run sha265 hello
has "$err" "sha265"
has "$err" "did you mean 'sha256'?"

began=$(date +%s%N)
ask 124 run sleep 10s --timeout 300ms
took_ms=$((($(date +%s%N) - began) / 1000000))
[ -n "$sanitizers" ] || [ $took_ms -le 400 ] || fail "124 after $took_ms ms"
has "$err" "hedgerow explain "
stopped() { hedgerow explain --last -o json | grep -q '"state": "\(STOPPED\|EXPIRED\)"'; }
wait_until stopped
ask 0 explain --last
has "$out" "DEADLINE_EXCEEDED"
has "$out" "time ran out (deadline)"

# ---- many --------------------------------------------------------------------------------

ask 0 run sha256 --each /etc/passwd /etc/hostname /etc/group -c 3 --summary
theirs=$(sha256sum /etc/passwd /etc/hostname /etc/group | sort)
[ "$(printf '%s\n' "$out" | sort)" = "$theirs" ] ||
    fail "--each is not what sha256sum says"
has "$err" "count=3 ok=3 failed=0 "
ask 0 run echo x --repeat 200 -c 8 -o none --summary
has "$err" "count=200 ok=200"

# ---- a slow worker is out-run, and explained ---------------------------------------------

ask 0 run sleep 200ms --hedge 20ms
ask 0 explain --last
has "$out" "mode hedge"
has "$out" "hedge   sent after 20 ms"
has "$out" "told to stop: another copy was faster (lost_race)"
ask 0 run sleep 1ms --hedge off
ask 0 explain --last
has "$out" "hedge   none"

# ---- interrupted, cancelled --------------------------------------------------------------

is_running() { hedgerow list --state RUNNING -o id | grep -q .; }
none_runs() { ! is_running; }
set -m # a job of its own, so that SIGINT is not ignored
hedgerow run sleep 30s >"$work/out" 2>"$work/err" &
run=$!
set +m
wait_until is_running
kill -INT $run
wait $run
[ $? -eq 130 ] || fail "an interrupted run did not end with 130"
has "$(cat "$work/err")" "has stopped"
ask 0 explain --last
has "$out" "CANCELLED"

hedgerow run sleep 30s 2>"$work/err" &
run=$!
wait_until is_running
ask 0 cancel "$(hedgerow list --state RUNNING -o id)"
has "$out" "CANCELLED"
wait $run
[ $? -eq 5 ] || fail "the run of a cancelled job did not end with 5"
wait_until none_runs
ask 0 cancel "$job"
has "$err" "was over already"

# ---- looking -----------------------------------------------------------------------------

ask 0 workers
has "$out" "worker-3"
ask 0 handlers
has "$out" "sha256"
ask 0 list --limit 5
has "$out" "ID "
ask 0 get "$job"
has "$out" "$job"
expect 0 result "$job" <<'END'
hello
END
expect 0 wait "$job" <<END
$job  SUCCEEDED
END
ask 3 get 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44
has "$err" "no job 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44: "
ask 0 health --ready
ask 0 health --worker=worker-1
ask 6 health --worker=worker-9
has "$err" "the worker is unknown to it"
ask 0 version
has "$out" "coordinator 0."

# ---- hand over, wait, fetch --------------------------------------------------------------

ask 0 submit sleep 30s
job=$out
expect 1 result "$job" <<END
! hedgerow result: job $job is not over yet
!   Wait for it:  hedgerow wait $job
END
expect 124 wait "$job" --timeout 1ms <<END
! hedgerow wait: job $job is not over yet
END
ask 0 cancel "$job"
expect 5 wait "$job" <<END
$job  CANCELLED
END
ask 5 result "$job"
ask 0 submit sha256 hello
job=$out
expect 0 wait "$job" --any -o none </dev/null
ask 0 result "$job"
has "$out" 2cf24dba5fb0a30e

# ---- a command becomes a handler ---------------------------------------------------------

HEDGEROW_TOKEN_FILE=$token_file hedgerow worker exec count --dial "$link" --name counter -- \
    sh -c 'wc -w | tr -d " "; echo "it'"'"'s counted" >&2' >"$work/exec.log" 2>&1 &
exec_pid=$!
offered() { hedgerow handlers -o id | grep -qx count; }
wait_until offered
expect 0 run count "four words of text" <<END
4
END
kill -TERM $exec_pid
wait $exec_pid
[ $? -eq 0 ] || fail "worker exec did not end with 0"

# ---- a member dies, and comes back -------------------------------------------------------

live() { [ "$(hedgerow workers -o jsonl | grep -c '"state":"live"')" -eq 3 ]; }
another() {
    . "$work/dev.state" && [ "${worker_pids%% *}" != "$first" ] &&
        [ "${worker_pids%% *}" != 0 ]
}
wait_until live
first=${worker_pids%% *}
kill -9 "$first"
wait_until another
wait_until live
ask 0 run echo again
has "$(cat "$work/dev.log")" "was ended by signal 9 (Killed); starting it again"
renewed() {
    . "$work/dev.state" && [ "$coordinator_pid" != "$old" ] && [ "$coordinator_pid" != 0 ]
}
old=$coordinator_pid
kill -9 "$old"
wait_until renewed
wait_until live
ask 0 run echo "at the same address"

# ---- the end -----------------------------------------------------------------------------

. "$work/dev.state"
kill -TERM "$dev"
wait "$dev"
[ $? -eq 0 ] || fail "dev did not end with 0"
dev=''
[ ! -e "$work/dev.state" ] || fail "the state file is left"
for pid in $coordinator_pid $worker_pids; do
    ! kill -0 "$pid" 2>/dev/null || fail "process $pid is left"
done

start_dev --workers 2
kill -9 "$dev"
wait "$dev" 2>/dev/null # and the shell says so
dev=''
for pid in $coordinator_pid $worker_pids; do
    gone() { ! kill -0 "$pid" 2>/dev/null; }
    wait_until gone
done

# A port that is taken: dev says so, and ends.
start_dev --workers 1
ask 1 dev --http-listen "${http#http://}"
has "$err" "ended with"
has "$err" "hedgerow dev --port 0"
