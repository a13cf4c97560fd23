#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every smuggling and abuse case, answered by the coordinator and by nginx, side by side.
# Fails when the coordinator lets a hidden request through where it refuses the first.
# http_beside_nginx.sh --markdown prints the table of coordinator/http/STRICT.md.
set -euo pipefail
nginx=$(command -v nginx || command -v /usr/sbin/nginx || true)
[ -n "$nginx" ] || { echo "no nginx here: skipped"; exit 77; }
[ -x "$HEDGEROW_BIN/http_cases" ] || { echo "http_cases is not built: skipped"; exit 77; }

work=$(mktemp -d)
pids=()
stop_all() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap stop_all EXIT

fail() { echo "FAIL: $*"; exit 1; }

# Wait for a line of a log, at most ten seconds.
await() {
    timeout 10 sh -c 'until grep -q "$1" "$2" 2>/dev/null; do :; done' sh "$1" "$2" ||
        fail "no '$1' in $2"
}

"$HEDGEROW_BIN/hedgerow-coordinator" --http-listen=127.0.0.1:0 \
    --link-listen=tcp://127.0.0.1:0 --jobs-input-max=1MiB --http-hosts=h --log-format=json \
    >"$work/coordinator.log" 2>&1 &
pids+=($!)
await http_port "$work/coordinator.log"
link_port=$(sed -n 's/.*"link_port":\([0-9]*\).*/\1/p' "$work/coordinator.log")
http_port=$(sed -n 's/.*"http_port":\([0-9]*\).*/\1/p' "$work/coordinator.log")
"$HEDGEROW_BIN/hedgerow-worker" --worker-dial="tcp://127.0.0.1:$link_port" \
    --worker-name=w1 >"$work/worker.log" 2>&1 &
pids+=($!)
await 'worker up' "$work/coordinator.log"

# nginx takes a fixed port only; it runs in the foreground, as we do.
nginx_port=$((10000 + $$ % 10000))
cat >"$work/nginx.conf" <<CONF
daemon off; master_process off; worker_processes 1;
error_log $work/nginx.log notice; pid $work/nginx.pid;
events { worker_connections 256; }
http {
    access_log off; client_max_body_size 1m;
    client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f;
    uwsgi_temp_path $work/u; scgi_temp_path $work/s;
    server { listen 127.0.0.1:$nginx_port; location / { return 200 "\$request_uri\\n"; } }
}
CONF
"$nginx" -c "$work/nginx.conf" -p "$work" >"$work/nginx.out" 2>&1 &
pids+=($!)
await 'start worker\|built by\|epoll' "$work/nginx.log"

"$HEDGEROW_BIN/http_cases" "$http_port" >"$work/ours" || fail "http_cases on ours"
"$HEDGEROW_BIN/http_cases" "$nginx_port" >"$work/theirs" || fail "http_cases on nginx"

paste "$work/ours" <(cut -f 2 "$work/theirs") >"$work/table"
if [ "${1:-}" = --markdown ]; then
    echo "| case | here | $("$nginx" -v 2>&1 | sed 's/.*: //') |"
    echo '| --- | --- | --- |'
    sed 's/\t/ | /g; s/^/| /; s/$/ |/' "$work/table"
else
    column -t -s "$(printf '\t')" "$work/table"
fi

[ "$(wc -l <"$work/ours")" -ge 60 ] || fail "fewer than 60 cases"
if grep SMUGGLED "$work/ours"; then fail "a hidden request was answered"; fi
kill -0 "${pids[0]}" || fail "the coordinator died"
echo "$(grep -c SMUGGLED "$work/theirs" || true) hidden requests answered by nginx, 0 here" >&2
