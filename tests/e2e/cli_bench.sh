#!/bin/bash
# SPDX-License-Identifier: MIT
#
# ONLY release
#
# GOAL    `hedgerow bench` counts what it says that it counts.
# METHOD  a quick load on workers that stall one attempt in five; the numbers of the service
#         beside those of the command.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

start_coordinator --hedge-ratio=0.5
for i in 1 2 3; do start_worker "w$i" --worker-stall=20%:300ms; done
wait_workers 3
field() { grep -o "\"$1\": [0-9.]*" <<<"$2" | head -n 1 | cut -d' ' -f2; }

step "a hedged phase"
out=$(hedgerow bench sha256 hello --rate 100 --duration 2s --phase on --hedge 20ms -o json)
expect "exit code" 0 $?
expect "all jobs" 200 "$(field ok "$out")"
expect "copies, as the service counts them" \
    "$(metric hedgerow_attempts_started_total 'kind="hedge"')" "$(field copies "$out")"
expect_more "copies" "$(field copies "$out")" 5
expect_match "latencies" '"latency_ms": \{"p50": [0-9.]*, "p90": [0-9.]*, "p99"' "$out"

step "both phases, for people"
out=$(hedgerow bench sha256 hello --rate 50 --duration 1s)
expect_match "the table" '^not hedged +50 ' "$out"
expect_match "the other phase" '^hedged +50 ' "$out"
expect_match "the verdict" 'Hedging took p99 from [0-9.]+ to [0-9.]+ ms' "$out"

step "an open loop: jobs are due, whatever became of those before"
out=$(hedgerow bench sleep 200ms --rate 50 --duration 1s -c 1 --phase off -o json --timeout 30s)
# One connection, 50 jobs of 0.2 s: the last was due after 1 s and ended after 10.
expect_more "the slowest, in ms" "$(field max "$out" | cut -d. -f1)" 7500
expect_more "late ones" "$(field late "$out")" 40

step "what goes wrong"
hedgerow bench nosuch 2>"$FOLDER/err" >"$FOLDER/out"
expect "no such handler" 3 $?
expect "nothing on stdout" '' "$(cat "$FOLDER/out")"
expect_match "it is named" "nosuch" "$(cat "$FOLDER/err")"
hedgerow bench sha256 --phase maybe 2>"$FOLDER/err"
expect "no such phase" 2 $?
hedgerow bench sha256 --rate 100000 --duration 24h 2>"$FOLDER/err"
expect "too many jobs" 2 $?
hedgerow bench sha256 --server http://127.0.0.1:1 2>"$FOLDER/err"
expect "nobody there" 6 $?
finish
