#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    500 slow connections (dripping headers and bodies, endless chunk sizes, readers that
#         do not read) cost under 32 MiB, and a good client is served beside them.
# METHOD  http_slow against a coordinator; in a release build p99 at most doubles (and 1 ms,
#         for a machine that does other things as well).
set -euo pipefail
[ -x "$HEDGEROW_BIN/http_slow" ] || { echo "http_slow is not built: skipped"; exit 77; }

work=$(mktemp -d)
stop_all() {
    kill "$pid" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap stop_all EXIT
fail() { echo "FAIL: $*"; exit 1; }

"$HEDGEROW_BIN/hedgerow-coordinator" --http-listen=127.0.0.1:0 \
    --link-listen=tcp://127.0.0.1:0 --log-format=json >"$work/log" 2>&1 &
pid=$!
timeout 10 sh -c 'until grep -q http_port "$1"; do :; done' sh "$work/log" ||
    fail "the coordinator did not start"
port=$(sed -n 's/.*"http_port":\([0-9]*\).*/\1/p' "$work/log")

line=$("$HEDGEROW_BIN/http_slow" "$port" "$pid" 500 4000)
echo "$line"
value() { printf '%s\n' "$line" | sed "s/.*\"$1\":\\([0-9]*\\).*/\\1/"; }

kill -0 "$pid" || fail "the coordinator died"
[ "$(value cut)" -gt 0 ] || fail "nobody was cut"
if [ "${HEDGEROW_PRESET:-release}" = release ]; then
    [ "$(value grew_kib)" -lt $((32 * 1024)) ] || fail "memory grew by 32 MiB or more"
    limit=$((2 * $(value p99_alone_us) + 1000))
    [ "$(value p99_beside_us)" -le "$limit" ] || fail "the good client's p99 is over $limit us"
fi
