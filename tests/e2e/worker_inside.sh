#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    one can see inside a worker: GET /metrics, the dump of fibers, the timeline, and
#         the name of a handler that keeps its thread.
# METHOD  a coordinator and a worker; requests for the metrics by curl, and bad ones by hand.
. "${HEDGEROW_SOURCE:-.}/tests/support/e2e.sh"
source=$(cd "$(dirname "$0")/../.." && pwd)

start_coordinator --hedge-enabled=false
start_worker w1 --drain-timeout=1s --worker-metrics-listen=127.0.0.1:0 \
    --worker-trace-file="$FOLDER/trace.json" --worker-slow-slice=1ms
wait_workers 1
port=$(sed -n 's/.*metrics_port=\([0-9]*\).*/\1/p' "$FOLDER/w1.log")
worker_metric() { curl -sS --max-time 20 "http://127.0.0.1:$port/metrics" |
    awk -v name="hedgerow_worker_$1" '$1 == name { print $2 }'; }

step "metrics"
head -c 4000000 /dev/zero >"$FOLDER/zeroes"
for _ in 1 2 3 4 5 6 7 8 9 10; do hedgerow run sha256 - <"$FOLDER/zeroes" >/dev/null; done
expect "attempts are counted" 10 "$(worker_metric attempts_replied_total)"
expect_more "fibers were started" "$(worker_metric sched_fibers_started_total)" 9
expect_more "their wait is measured" "$(worker_metric sched_queue_seconds_count)" 9
expect "the last bucket has all" "$(worker_metric 'sched_cancel_seconds_bucket{le="+Inf"}')" \
    "$(worker_metric sched_cancel_seconds_count)"
text=$(curl -sS "http://127.0.0.1:$port/metrics")
expect "each series is there once" "" \
    "$(grep -v '^#' <<<"$text" | awk '{ print $1 }' | sort | uniq -d)"
expect "each line is a type or a number" "" \
    "$(grep -Ev '^(# TYPE [a-z_]+ [a-z]+|[a-z_]+(\{le="[^"]+"\})? [0-9.e+-]+)$' <<<"$text")"

step "strict"
answer() { # BYTES: the first line of what comes back
    exec 7<>"/dev/tcp/127.0.0.1/$port"
    printf '%b' "$1" >&7 2>/dev/null # it may be hung up on
    timeout 10 head -n 1 <&7 | tr -d '\r'
    exec 7<&- 7>&-
}
host='Host: x\r\n\r\n'
expect "a good one" "HTTP/1.1 200 OK" "$(answer "GET /metrics HTTP/1.0\r\n$host")"
expect "another path" "HTTP/1.1 404 Not Found" "$(answer "GET /metrics/ HTTP/1.1\r\n$host")"
expect "another query" "HTTP/1.1 404 Not Found" "$(answer "GET /metrics?a HTTP/1.1\r\n$host")"
expect "another method" "HTTP/1.1 405 Method Not Allowed" \
    "$(answer "POST /metrics HTTP/1.1\r\n$host")"
for bad in "GET /metrics HTTP/2.0\r\n$host" "GET /metrics\r\n$host" "\x16\x03\x01\r\n\r\n" \
    "GET /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\n" \
    "GET /metrics HTTP/1.1\r\nA: \x01\r\n\r\n" "GET /metrics HTTP/1.1\r\nA: b\nc: d\r\n\r\n"; do
    expect "refused: $bad" "HTTP/1.1 400 Bad Request" "$(answer "$bad")"
done
# Who sends two at once is answered once, or refused: it depends on when the second comes.
exec 7<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /metrics HTTP/1.1\r\nA: b\r\n\r\nGET /metrics HTTP/1.1\r\nA: b\r\n\r\n' >&7
expect "one answer to two" 1 "$(timeout 10 cat <&7 | grep -c '^HTTP/1.1 [24]00')"
exec 7<&- 7>&-
expect "no end of headers" "" "$(answer "GET /metrics HTTP/1.1\r\nA: $(printf '%5000s' x)")"

step "a crowd, and one that says nothing"
for fd in 10 11 12 13 14 15 16 17 18 19; do
    eval "exec $fd<>/dev/tcp/127.0.0.1/$port"
done
hung_up() { [ -z "$(timeout 1 head -c 1 <&19)" ]; }
wait_until "the tenth is hung up on" 20 hung_up
for fd in 10 11 12 13 14 15 16 17 18 19; do eval "exec $fd<&- $fd>&-"; done
refused() { [ "$(worker_metric metrics_refused_total)" -ge 2 ]; }
wait_until "and counted" 20 refused

step "dump"
hedgerow submit sleep - <<<5000 >/dev/null
kill -QUIT "${PID[w1]}"
wait_until "the sleeper is in the dump" 20 says w1 "WAITING sleep .*'sleep'.* born "
wait_until "and its end" 20 says w1 'hedgerow: [0-9]+ fibers'

step "slow"
slow() {
    hedgerow run sha256 - <"$FOLDER/zeroes" >/dev/null
    says w1 'a handler keeps its thread.*handler=sha256.*born="?hedgerow-worker\+0x'
}
wait_until "the handler is named" 40 slow
expect_more "and counted" "$(worker_metric sched_slow_slices_total)" 0

step "timeline"
kill -USR2 "${PID[w1]}"
wait_until "the timeline appears" 20 test -s "$FOLDER/trace.json"
check() { python3 "$source/tests/support/trace_check.py" "$FOLDER/trace.json" sha256 sleep; }
if command -v python3 >/dev/null; then
    expect_match "it is one" 'ends: .*sleep' "$(check 2>&1)"
    rm "$FOLDER/trace.json"
    stop w1
    expect_match "and one at the end" 'ends: .*end' "$(check 2>&1)"
else
    echo "no python3: the timeline is not read"
fi
finish
