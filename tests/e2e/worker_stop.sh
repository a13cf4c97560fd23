#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    work that cannot count any more is stopped, whoever ends it and however: timeout,
#         Ctrl-C, cancel, a closed connection, the death of the coordinator or the worker.
# METHOD  a command with a child, one in a session of its own, and one that was forked twice
#         and ignores SIGTERM: none may be left.
. "${HEDGEROW_SOURCE:-.}/tests/support/cli.sh"
for binary in hedgerow hedgerow-coordinator hedgerow-worker; do
    [ -x "$(command -v $binary)" ] || exit 77
done

nap=$((100000 + $$)) # seconds, and the family's name
stubborn="setsid sh -c 'trap \"\" TERM; sleep $nap & wait'"
family="sleep $nap & setsid sleep $nap & ($stubborn &); wait"
members() { pgrep -xf "sleep $nap" | wc -l; }
family_is_there() { [ "$(members)" -eq 3 ]; }
family_is_gone() { [ "$(members)" -eq 0 ]; }

coordinator=''
worker=''
stop_all() {
    kill -KILL $coordinator $worker 2>/dev/null
    family_is_gone || pkill -KILL -xf "sleep $nap"
    cli_end
}
trap 'stop_all' EXIT

head -c 32 /dev/urandom | base64 >"$work/token"
chmod 600 "$work/token"
export HEDGEROW_TOKEN_FILE=$work/token HEDGEROW_LOG_FORMAT=logfmt

start_coordinator() {
    rm -f "$work/coordinator.log" # what the former one said would do as well
    hedgerow-coordinator --http-listen 127.0.0.1:0 --link-listen "ipc://$work/link" \
        --cancel-grace 100ms >"$work/coordinator.log" 2>&1 &
    coordinator=$!
    wait_until grep -q http_port "$work/coordinator.log" || exit 1
    HEDGEROW_SERVER=http://127.0.0.1:$(sed -n 's/.*http_port=\([0-9]*\).*/\1/p' \
        "$work/coordinator.log")
    export HEDGEROW_SERVER
}

start_worker() {
    rm -f "$work/worker.log"
    hedgerow-worker --worker-dial "ipc://$work/link" --worker-name w1 --log-level debug \
        --exec "family=$family" --exec 'upper=tr a-z A-Z' "$@" >"$work/worker.log" 2>&1 &
    worker=$!
    wait_until worker_is_up || exit 1
}
worker_is_up() { hedgerow workers | grep -q '^w1 .*live'; }
acks() { grep -c 'farewell=ack fate=stopped' "$work/worker.log"; }

start_coordinator
start_worker

# ---- the usual -------------------------------------------------------------------------

[ "$(echo hello | hedgerow run upper -)" = HELLO ] || fail "upper does not print HELLO"
head -c 4194304 /dev/urandom >"$work/large"
curl -s --data-binary "@$work/large" "$HEDGEROW_SERVER/v1/handlers/sha256:invoke" >"$work/sum"
sha256sum <"$work/large" | cmp - "$work/sum" || fail "sha256 by curl is not sha256sum"

# ---- four ways to stop --------------------------------------------------------------------

stopped_count=0
# gone WHAT: the family is, and the worker has said so
gone() {
    stopped_count=$((stopped_count + 1))
    wait_until family_is_gone || fail "$1: $(members) processes are left"
    acks_fit() { [ "$(acks)" -eq $stopped_count ]; }
    wait_until acks_fit || fail "$1: $(acks) stops acknowledged, not $stopped_count"
    ask 0 explain --last
    has "$out" " stopped, "
}

ask 124 run family x --timeout 300ms
gone timeout

# A shell starts what is in the background deaf to SIGINT.
env --default-signal=INT hedgerow run family x >"$work/run" 2>&1 &
run=$!
wait_until family_is_there
kill -INT $run
wait $run
code=$?
[ $code -eq 130 ] || fail "Ctrl-C ends with $code, not 130"
gone Ctrl-C

hedgerow run family x >"$work/run" 2>&1 &
run=$!
wait_until family_is_there
job=$(hedgerow list -o id | head -1)
ask 0 cancel "$job"
wait $run
gone cancel

curl -s -d x "$HEDGEROW_SERVER/v1/handlers/family:invoke" &
curl=$!
wait_until family_is_there
kill -KILL $curl
wait $curl 2>/dev/null
gone 'closed curl'

# ---- somebody dies -----------------------------------------------------------------------

# The heartbeat's bound: three of one second, and some for the machine.
hedgerow run family x >"$work/run" 2>&1 &
run=$!
wait_until family_is_there
began=$(date +%s%N)
kill -KILL $coordinator
wait $coordinator 2>/dev/null
wait_until family_is_gone || fail "coordinator killed: $(members) processes are left"
took_ms=$((($(date +%s%N) - began) / 1000000))
[ -z "${HEDGEROW_SANITIZE:-}" ] && [ $took_ms -gt 3500 ] && fail "stopped after $took_ms ms"
echo "ok: coordinator killed, work stopped after $took_ms ms"
wait $run

# The worker finds the next one by itself.
start_coordinator
wait_until worker_is_up
[ "$(echo again | hedgerow run upper -)" = AGAIN ] || fail "no work after a restart"

hedgerow run family x >"$work/run" 2>&1 &
run=$!
wait_until family_is_there
spawner=$(pgrep -P $worker)
kill -KILL $worker
wait $worker 2>/dev/null
wait_until family_is_gone || fail "worker killed: $(members) processes are left"
helper_is_gone() { ! kill -0 "$spawner"; }
wait_until helper_is_gone || fail "worker killed: its spawner is left"
wait $run

# ---- in good order -----------------------------------------------------------------------

start_worker
hedgerow run sleep 500ms -o none >"$work/run" 2>&1 &
run=$!
is_running() {
    local race
    race=$(hedgerow explain --last)
    [[ $race == *" sleep "*"copy 1 started"* ]]
}
wait_until is_running
kill -TERM $worker
wait $worker
[ $? -eq 0 ] || fail "a drained worker does not end with 0"
wait $run || { fail "a drain lost a job:"; cat "$work/run"; }

start_worker --drain-timeout 300ms
hedgerow run family x >"$work/run" 2>&1 &
run=$!
wait_until family_is_there
kill -TERM $worker
wait $worker
[ $? -eq 0 ] || fail "drain.timeout: does not end with 0"
family_is_gone || fail "drain.timeout: $(members) processes are left"
wait $run && fail "a stopped job succeeds"

start_worker
hedgerow run family x >"$work/run" 2>&1 &
run=$!
wait_until family_is_there
kill -TERM $worker
wait_until grep -q 'msg=draining' "$work/worker.log"
kill -TERM $worker
wait $worker
[ $? -eq 0 ] || fail "asked twice: does not end with 0"
family_is_gone || fail "asked twice: $(members) processes are left"
wait $run

kill -TERM $coordinator
wait $coordinator
[ $? -eq 0 ] || fail "the coordinator does not end with 0"
