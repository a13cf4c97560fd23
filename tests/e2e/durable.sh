#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    what was acknowledged outlives the coordinator: waiting, running or ended.
# METHOD  jobs in every state, kill -9, start again; then durable submits at a steady rate
#         while the coordinator is killed every few seconds, and a checker that asks for each
#         job that was acknowledged (the full form: 200 a second for two minutes).
# SECONDS 400
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

db=sqlite:$FOLDER/jobs.db
# Where a non-idempotent job writes one line each time that it runs.
runs=$FOLDER/runs
: >"$runs"
start_all() {
    start_coordinator --store-url="$db" "$@"
    start_worker w1 --exec "once=echo run >>$runs; sleep 3"
    start_worker w2
    wait_workers 2
}
first() { grep -o "\"$1\":\"[^\"]*\"" <<<"$2" | head -n 1 | cut -d'"' -f4; }
id_of() { first id "$1"; }
state_of() { first state "$(get "/v1/jobs/$1")"; }
state_is() { [ "$(state_of "$1")" = "$2" ]; }
async() { # HANDLER QUERY INPUT
    curl -sS --max-time 20 -H 'Prefer: respond-async' --data-binary "$3" \
        "$HTTP/v1/handlers/$1:invoke?$2"
}

start_all
step "before the crash: ended, waiting for its time, running, cancelled"
ended=$(id_of "$(async sha256 '' hello)")
wait_until "it ends" 10 state_is "$ended" SUCCEEDED
document=$(get "/v1/jobs?source=store")
soon=$(date -u -d '+10 seconds' +%FT%TZ)
waiting=$(id_of "$(async sha256 "run_at=$soon" later)")
expect "not before its time" QUEUED "$(state_of "$waiting")"
never=$(id_of "$(async sha256 'run_at=2090-01-01T00:00:00Z' never)")
expect "cancelled before its time" CANCELLED \
    "$(curl -sS -X POST "$HTTP/v1/jobs/$never:cancel" >/dev/null; sleep 0.1; state_of "$never")"
running=$(id_of "$(async sleep '' 3s)")
once=$(id_of "$(async once 'idempotent=false' '')")
wait_until "one runs" 10 state_is "$running" RUNNING
wait_until "the one that must not run twice has begun" 10 test -s "$runs"

keyed() { # KEY INPUT: the status; the answer is in $FOLDER/keyed
    curl -sS --max-time 20 -i -H 'Prefer: respond-async' -H "Idempotency-Key: $1" \
        --data-binary "$2" "$HTTP/v1/handlers/echo:invoke" >"$FOLDER/keyed"
    sed -n '1s/.* \([0-9]*\) .*/\1/p' "$FOLDER/keyed"
}
expect "a submit with a key" 202 "$(keyed order-1 one)"
by_key=$(id_of "$(cat "$FOLDER/keyed")")

step "after kill -9"
crash coordinator
start_coordinator --store-url="$db"
wait_workers 2
expect "the list is the same" "$document" \
    "$(get "/v1/jobs?source=store&handler=sha256&state=SUCCEEDED")"
expect "the result is there" "$(printf hello | sha256sum)" "$(get "/v1/jobs/$ended/result")"
wait_until "the keyed one ends" 15 state_is "$by_key" SUCCEEDED
keyed order-1 one >/dev/null
expect "the key still means the same job" "$by_key" \
    "$(sed -n 's/^X-Job-Id: \([0-9a-f-]*\).*/\1/p' "$FOLDER/keyed" | head -n 1)$(
    grep -q "$by_key" "$FOLDER/keyed" || echo ' not named')"
expect "the key with another request" 422 "$(keyed order-1 two)"
expect "what was cancelled stays so" CANCELLED "$(state_of "$never")"
wait_until "what ran runs again, and ends" 15 state_is "$running" SUCCEEDED
wait_until "what waited for its time ends" 25 state_is "$waiting" SUCCEEDED
expect "what may not run twice has no known outcome" UNKNOWN_OUTCOME "$(state_of "$once")"
expect "it ran once" 1 "$(wc -l <"$runs")"
expect_match "and its result says so" '"status":502' "$(get "/v1/jobs/$once/result")"

step "a second coordinator may not touch the same file"
HTTP_PORT=0 LINK_PORT=0 start second hedgerow-coordinator --http-listen=127.0.0.1:0 \
    --link-listen=tcp://127.0.0.1:0 --store-url="$db"
MAY_FAIL[second]=1
wait_until "it ends" 10 dies_early second
expect_match "and says why" 'another process has it open' "$(cat "$FOLDER/second.log")"
unset 'PID[second]'

step "who named no store is told, and goes on without one"
for name in auto1 auto2; do
    start $name hedgerow-coordinator --http-listen=127.0.0.1:0 \
        --link-listen=tcp://127.0.0.1:0 --log-format=logfmt
    wait_until "$name is up" 20 is_up $name
done
expect "the first has the file" 1 "$(find "$XDG_STATE_HOME" -name hedgerow.db | wc -l)"
expect_match "the second says that it has not" 'jobs live in memory alone' \
    "$(cat "$FOLDER/auto2.log")"
stop auto1
stop auto2

step "SIGTERM with a durable job running: it is left for the next start"
slow=$(id_of "$(async sleep '' 5s)")
wait_until "it runs" 10 state_is "$slow" RUNNING
stop coordinator
start_coordinator --store-url="$db" --drain-timeout=100ms
wait_workers 2
stop coordinator
start_coordinator --store-url="$db"
wait_workers 2
wait_until "it ends after all" 20 state_is "$slow" SUCCEEDED

step "kill -9 again and again under load"
rate=100 seconds=12 every=4
if [ -n "$LONG" ]; then rate=200 seconds=120 every=5; fi
in_release || rate=40
"$BIN/durable_load" "$HTTP_PORT" --rate $rate --seconds $seconds \
    >"$FOLDER/load.json" 2>"$FOLDER/load.log" &
load=$!
began=$(now_ms)
kills=0
while [ $(($(now_ms) - began)) -lt $(((seconds - 1) * 1000)) ]; do
    sleep $every
    crash coordinator
    kills=$((kills + 1))
    start_coordinator --store-url="$db"
done
wait $load
expect "nothing is lost, unfinished, changed or wrong" 0 $?
cat "$FOLDER/load.log" | head -n 5
cat "$FOLDER/load.json"
echo "$kills kills"
finish
