#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    both programs take their settings from flag, variable and file, say where each is
#         from, and refuse what is wrong with its place, its range and the nearest name.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

config=$FOLDER/hedgerow.yaml
printf '%s\n' 'jobs:' '  timeout: 5s' 'worker:' '  slots: 3' 'handlers:' '  exec:' \
    '    wc: wc -w' >"$config"

step "help and version"
for program in hedgerow-coordinator hedgerow-worker; do
    help=$($program --help)
    expect "$program --help" 0 $?
    expect_match "$program: common flags" '--log-level=debug\|info\|warn\|error' "$help"
    expect_match "$program --version" "^$program [0-9.]+\$" "$($program --version)"
    expect_match "$program --check-config" 'are right' \
        "$($program --config "$config" --check-config)"
done

step "where each value is from"
shown=$(HEDGEROW_JOBS_MAX=77 hedgerow-coordinator --config "$config" --hedge-burst=3 \
    --print-config)
expect_match "file and line" "timeout: 5s  # $config:2" "$shown"
expect_match "variable" 'max: 77  # HEDGEROW_JOBS_MAX' "$shown"
expect_match "flag" 'burst: 3  # flag' "$shown"
expect_match "default" 'level: info  # default' "$shown"
expect_match "a map of commands" "wc: .wc -w.  # $config:7" \
    "$(hedgerow-worker --config "$config" --print-config)"
hedgerow-coordinator --config "$config" --print-config >"$FOLDER/printed.yaml"
expect_match "what is printed is a file that is right" 'are right' \
    "$(hedgerow-coordinator --config "$FOLDER/printed.yaml" --check-config)"

step "what is wrong"
refused() { # WHAT REGEX PROGRAM ARGUMENT...
    local what=$1 regex=$2 output
    shift 2
    output=$("$@" 2>&1 </dev/null)
    expect "$what: exit code" 2 $?
    expect_match "$what" "$regex" "$output"
}
refused "a typing error" 'did you mean --jobs-timeout\?' hedgerow-coordinator --jobs-timout=1s
refused "a flag of the other program" 'no such setting' hedgerow-coordinator --worker-slots=1
refused "a range" "'9' is out of range: 1..5 copies" hedgerow-coordinator --hedge-max-attempts=9
refused "a secret" 'never a value' hedgerow-worker --link-token=abc
refused "a variable" 'did you mean HEDGEROW_JOBS_TIMEOUT\?' \
    env HEDGEROW_JOBS_TIMEOUTS=1s hedgerow-worker
printf 'jobs:\n  timeout: 5 weeks\n' >"$config"
refused "a line of the file" "$config:2: jobs.timeout: '5 weeks'" \
    hedgerow-coordinator --config "$config"
refused "no file" 'nowhere.yaml: not found' hedgerow-coordinator --config nowhere.yaml

step "a token that cannot be read is no start"
printf 'short' >"$FOLDER/short"
output=$(hedgerow-coordinator --link-token-file="$FOLDER/short" --http-listen=127.0.0.1:0 \
    --link-listen=tcp://127.0.0.1:0 2>&1)
expect "exit code" 1 $?
expect_match "its file is named" "$FOLDER/short" "$output"
finish
