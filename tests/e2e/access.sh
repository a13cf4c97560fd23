#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    the API takes tokens from a file of their hashes, lets several live at once, reads
#         it again on SIGHUP, and writes none of them into its log; the command shows one.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

tokens=$FOLDER/tokens
canary=canary-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
old=$FOLDER/old.token
new=$FOLDER/new.token
printf '%s-old\n' "$canary" >"$old"
printf '%s-new\n' "$canary" >"$new"
line() { # NAME MAY TOKEN-FILE
    printf '%s %s %s\n' "$1" "$2" "$(tr -d '\n' <"$3" | sha256sum | cut -d ' ' -f 1)"
}
status() { # PATH [CURL ARGUMENT...]
    curl -sS -o "$FOLDER/body" -w '%{http_code}' --max-time 20 "$HTTP$1" "${@:2}"
}
with() { printf 'Authorization: Bearer %s' "$(cat "$1")"; }
log_says_again() { [ "$(grep -c "$1" "$FOLDER/coordinator.log")" -ge "$2" ]; }

step "beyond this machine without tokens"
output=$(hedgerow-coordinator --http-listen=0.0.0.0:0 --link-listen=tcp://127.0.0.1:0 2>&1)
expect "it does not start" 1 $?
expect_match "and says what to do" 'auth.token_file' "$output"

step "with tokens"
line ci submit,read "$old" >"$tokens"
start_coordinator --auth-token-file="$tokens"
start_worker w1
worker_is_up() { says coordinator 'worker up'; }
wait_until "the worker is up" 20 worker_is_up
expect "no token" 401 "$(status /v1/workers)"
expect "a wrong one" 401 "$(status /v1/workers -H "Authorization: Bearer $canary-wrong")"
expect "a good one" 200 "$(status /v1/workers -H "$(with "$old")")"
expect "for what it is good" 200 \
    "$(status /v1/handlers/echo:invoke -H "$(with "$old")" -d hello)"
expect "and for nothing else" 403 \
    "$(status /v1/jobs/01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44:cancel -X POST -H "$(with "$old")")"
expect "alive is for everybody" 200 "$(status /livez)"

step "the command"
output=$(hedgerow workers 2>&1)
expect "without a token: exit code" 4 $?
expect_match "and says why" 'token' "$output"
expect "by a flag" hello "$(hedgerow run echo hello --token-file "$old")"
expect "by a variable" hello "$(HEDGEROW_API_TOKEN_FILE=$old hedgerow run echo hello)"
output=$(hedgerow run echo hello --token-file "$FOLDER/none" 2>&1)
expect "a file that is not there: exit code" 2 $?

step "a new token beside the old one, then without it"
line ci submit,read "$new" >>"$tokens"
kill -HUP "${PID[coordinator]}"
wait_until "read again" 10 log_says_again 'tokens read again' 1
expect "the old one" 200 "$(status /v1/workers -H "$(with "$old")")"
expect "the new one" 200 "$(status /v1/workers -H "$(with "$new")")"
line ci submit,read "$new" >"$tokens"
kill -HUP "${PID[coordinator]}"
wait_until "read again" 10 log_says_again 'tokens read again' 2
expect "the old one is gone" 401 "$(status /v1/workers -H "$(with "$old")")"
expect "the new one stays" 200 "$(status /v1/workers -H "$(with "$new")")"
echo 'ci everything' >"$tokens"
kill -HUP "${PID[coordinator]}"
wait_until "a bad file is told" 10 log_says_again 'tokens stay as they were' 1
expect "and changes nothing" 200 "$(status /v1/workers -H "$(with "$new")")"

step "no token in any log"
expect "none" 0 "$(cat "$FOLDER"/*.log | grep -c "$canary")"
finish
