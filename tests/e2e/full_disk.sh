#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    a full disk: durable submits are refused at once and honestly, what was acknowledged
#         is kept, jobs that are waited for go on, and all is well again when there is room.
# METHOD  the store on a tmpfs of 2 MiB that a file fills up.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"

disk=$FOLDER/disk
mkdir "$disk"
if ! mount -t tmpfs -o size=2m tmpfs "$disk" 2>/dev/null; then
    echo "skipped: no tmpfs may be mounted here"
    exit 77
fi
unmount() { umount -l "$disk"; }
trap 'unmount; on_exit' EXIT

submit() { # the status; the body is in $FOLDER/answer
    curl -sS --max-time 20 -o "$FOLDER/answer" -w '%{http_code}' -H 'Prefer: respond-async' \
        --data-binary "$1" "$HTTP/v1/handlers/sha256:invoke"
}
is_full() { [ "$(submit x)" = 503 ]; }
works() { [ "$(submit x)" = 202 ]; }
store_up() { metric_is "$1" hedgerow_store_up; }

start_coordinator --store-url="sqlite:$disk/jobs.db"
start_worker w1
wait_workers 1

step "before"
expect "a durable submit" 202 "$(submit before)"
id=$(grep -o '"id":"[^"]*"' "$FOLDER/answer" | cut -d'"' -f4)
ended() { get "/v1/jobs/$id" | grep -q '"state":"SUCCEEDED"'; }
wait_until "it ends" 10 ended

step "the disk is full"
dd if=/dev/zero of="$disk/filler" bs=4k 2>/dev/null
wait_until "durable submits are refused" 20 is_full
expect_match "with the reason" '"code":"store-unavailable"' "$(cat "$FOLDER/answer")"
began=$(now_ms)
for _ in 1 2 3 4 5; do expect "refused again" 503 "$(submit y)"; done
if in_release; then expect_less "ms for five refusals" $(($(now_ms) - began)) 1000; fi
expect "the metric says so" 0 "$(metric hedgerow_store_up)"
expect "who waits is served" "$(printf z | sha256sum)" "$(hedgerow run sha256 z)"
hash=$(printf before | sha256sum)
expect "what was acknowledged is there" "$hash" "$(get "/v1/jobs/$id/result")"

step "there is room again"
rm "$disk/filler"
wait_until "durable submits are taken" 10 works
wait_until "the metric says so" 5 store_up 1
crash coordinator
start_coordinator --store-url="sqlite:$disk/jobs.db"
expect "after a crash it is there" "$hash" "$(get "/v1/jobs/$id/result")"
finish
