#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    a job's stream tells what happens to it, and a client that reads it in pieces, with a
#         connection of its own for each, gets every event once.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

start_coordinator
start_worker w1
start_worker w2
wait_workers 2

step "one job, told from its beginning to its end"
job=$(hedgerow submit sleep 300ms --hedge off)
stream=$(get "/v1/jobs/$job/events")
expect "each once, in order" "accepted sent started ended finished" \
    "$(sed -n 's/^event: //p' <<<"$stream" | paste -sd ' ')"
expect_match "how it ended" '"state":"SUCCEEDED"' "$stream"
expect_match "which copy" '"attempt":1,"kind":"primary","worker":"w[12]","state":"WON"' \
    "$stream"

step "a loser is told to stop"
job=$(hedgerow submit sleep 400ms --hedge 20ms)
stream=$(get "/v1/jobs/$job/events")
expect_match "the hedge" '"attempt":2,"kind":"hedge"' "$stream"
expect_match "the cancel" '"cause":"lost_race"' "$stream"

step "read in pieces"
timeout 60 curl -sS -N "$HTTP/v1/events" >"$FOLDER/all" 2>"$FOLDER/curl.err" &
reader=$!
heads() { [ "$(curl -sS "$HTTP/metrics" |
    grep -c 'route="/v1/events",method="GET",code="200"')" -ge 1 ]; }
wait_until "the reader is there" 10 heads
: >"$FOLDER/pieces"
last=
for _ in $(seq 20); do
    hedgerow run echo x -o none || fail "a job"
    # A piece: whatever comes within a moment, then the connection is cut.
    timeout 0.1 curl -sS -N ${last:+-H "Last-Event-ID: $last"} "$HTTP/v1/events" \
        >"$FOLDER/piece" 2>/dev/null
    cat "$FOLDER/piece" >>"$FOLDER/pieces"
    newest=$(sed -n 's/^id: //p' "$FOLDER/piece" | tail -n 1)
    last=${newest:-$last}
    [ -n "$last" ] || last=$(sed -n 's/^id: //p' "$FOLDER/all" | tail -n 1)
done
hedgerow run echo x -o none
timeout 1 curl -sS -N -H "Last-Event-ID: $last" "$HTTP/v1/events" >>"$FOLDER/pieces" 2>/dev/null
kill "$reader"
wait "$reader" 2>/dev/null
ids() { sed -n 's/^id: [0-9a-f]*-//p' "$1"; }
expect "no double" "" "$(ids "$FOLDER/pieces" | sort | uniq -d)"
first=$(ids "$FOLDER/pieces" | head -n 1)
expect "no gap" "$(seq "$first" "$(ids "$FOLDER/pieces" | tail -n 1)" | paste -sd ' ')" \
    "$(ids "$FOLDER/pieces" | paste -sd ' ')"
expect "the whole stream has the same" \
    "$(ids "$FOLDER/all" | awk -v first="$first" '$1 >= first' | paste -sd ' ')" \
    "$(ids "$FOLDER/pieces" | paste -sd ' ')"
finish
