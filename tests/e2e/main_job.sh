#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    the main job, end to end: what sha256sum prints, by the command and by curl; the
#         largest input passes, one byte more is refused with the limit.
# METHOD  `hedgerow dev` as a person would start it, with three workers.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

step "hedgerow dev starts a coordinator and three workers"
state=$FOLDER/dev.state
start dev hedgerow dev --workers 3 --port 0 --state-file "$state"
if ! wait_until "dev is ready" 30 grep -q ready=1 "$state"; then
    tail -n 20 "$FOLDER/dev.log"
    finish
fi
. "$state" # http=, coordinator_pid=, worker_pids=
HTTP=$http
export HEDGEROW_SERVER=$HTTP
wait_workers 3

step "small inputs"
printf 'hello' >"$FOLDER/hello"
: >"$FOLDER/empty"
for file in "$FOLDER/hello" "$FOLDER/empty" /bin/ls /etc/os-release; do
    wanted=$(sha256sum <"$file")
    expect "hedgerow run sha256 - <$file" "$wanted" "$(hedgerow run sha256 - <"$file")"
    expect "curl of $file" "$wanted" \
        "$(curl -sS --data-binary "@$file" "$HTTP/v1/handlers/sha256:invoke")"
done
expect "a text is an input" "$(printf 'a b' | sha256sum)" \
    "$(hedgerow run sha256 'a b')"
head -c 300000 /dev/urandom >"$FOLDER/random"
hedgerow run echo - <"$FOLDER/random" >"$FOLDER/echoed"
cmp "$FOLDER/random" "$FOLDER/echoed"
expect "echo gives every byte back" 0 $?

step "the largest input"
head -c 4194304 /dev/urandom >"$FOLDER/largest"
wanted=$(sha256sum <"$FOLDER/largest")
expect "4 MiB by the command" "$wanted" "$(hedgerow run sha256 - <"$FOLDER/largest")"
expect "4 MiB by curl" "$wanted" \
    "$(curl -sS --data-binary "@$FOLDER/largest" "$HTTP/v1/handlers/sha256:invoke")"
hedgerow run echo - <"$FOLDER/largest" >"$FOLDER/echoed"
cmp "$FOLDER/largest" "$FOLDER/echoed"
expect "4 MiB come back" 0 $?

step "one byte more"
(cat "$FOLDER/largest"; printf x) >"$FOLDER/larger"
answer=$(curl -sS -w '\n%{http_code}' --data-binary "@$FOLDER/larger" \
    "$HTTP/v1/handlers/sha256:invoke")
expect "413" 413 "${answer##*$'\n'}"
expect_match "the limit is named" '4194304' "$answer"
output=$(hedgerow run sha256 - <"$FOLDER/larger" 2>&1)
expect "the command's exit code is that of a wrong input" 2 $?
expect_match "the command names the limit" '4194304|4 ?MiB' "$output"

step "what is not there"
output=$(hedgerow run sha265 x 2>&1)
expect "an unknown handler exits 3" 3 $?
expect_match "and is told the nearest" "sha256" "$output"

step "dev stops everything"
pids="$coordinator_pid $worker_pids"
stop dev
for pid in $pids; do
    kill -0 "$pid" 2>/dev/null && fail "process $pid of dev is still there"
    ok
done
finish
