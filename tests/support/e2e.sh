# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For tests/e2e/*.sh: real processes on free ports, waited for by asking, stopped at the end.
#
#   . tests/support/e2e.sh
#   start_coordinator --hedge-delay=off     sets HTTP, LINK_PORT, PID[coordinator]
#   start_worker w1 --worker-slots=4        sets PID[w1]
#   wait_workers 1
#   expect "sha256 of nothing" e3b0c442... "$(hedgerow run sha256)"
#   finish                                  stops all; fails on a sanitizer's report, too
#
# A check that fails says what was wanted and what was there, and the test goes on to its
# end; `finish` then exits 1.  Bounds on time hold in release only: see in_release.
# Needs HEDGEROW_BIN; HEDGEROW_PRESET is the build's name.

set -uo pipefail
: "${HEDGEROW_BIN:?the folder of the binaries}"
PRESET=${HEDGEROW_PRESET:-release}
BIN=$HEDGEROW_BIN
LONG=${HEDGEROW_TEST_LONG:-}
unset "${!HEDGEROW_@}"

FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/hedgerow-e2e.XXXXXX")
# Nothing of the person who runs this is used, or changed.
export HOME=$FOLDER XDG_RUNTIME_DIR=$FOLDER XDG_STATE_HOME=$FOLDER/state PATH=$BIN:$PATH
export NO_COLOR=1 no_proxy='*'
export HEDGEROW_TOKEN_FILE=$FOLDER/token
(umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$HEDGEROW_TOKEN_FILE")
# A sanitizer's report must not be mistaken for one of our exit codes.
export ASAN_OPTIONS=exitcode=66:detect_leaks=1 TSAN_OPTIONS=exitcode=66:halt_on_error=0
export UBSAN_OPTIONS=print_stacktrace=1

declare -A PID=()       # of what start_* started, by name
declare -A MAY_FAIL=()  # names that the test kills by itself
FAILURES=0
CHECKS=0
STEP=''

in_release() { [ "$PRESET" = release ]; }
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

step() {
    STEP=$1
    echo "== $1"
}

fail() {
    FAILURES=$((FAILURES + 1))
    echo "FAILED ($STEP): $1"
    shift
    local line
    for line in "$@"; do echo "    $line"; done
}

ok() { CHECKS=$((CHECKS + 1)); }

# expect WHAT WANTED ACTUAL
expect() {
    ok
    [ "$2" = "$3" ] || fail "$1" "wanted: ${2:0:400}" "actual: ${3:0:400}"
}

# expect_match WHAT REGEX ACTUAL: extended, anywhere in it
expect_match() {
    ok
    grep -Eq -- "$2" <<<"$3" || fail "$1" "wanted a match of: $2" "actual: ${3:0:1000}"
}

# expect_less WHAT ACTUAL LIMIT: integers
expect_less() {
    ok
    [ "$2" -lt "$3" ] || fail "$1" "wanted less than $3" "actual: $2"
}

expect_more() {
    ok
    [ "$2" -gt "$3" ] || fail "$1" "wanted more than $3" "actual: $2"
}

# wait_until WHAT SECONDS COMMAND...: ask again until it says yes
wait_until() {
    local what=$1 deadline=$(($(now_ms) + $2 * 1000))
    shift 2
    ok
    until "$@" >/dev/null 2>&1; do
        if [ "$(now_ms)" -ge "$deadline" ]; then
            fail "$what: not in time" "asked: $*"
            return 1
        fi
        sleep 0.02
    done
}

# ---- processes --------------------------------------------------------------------------

# start NAME PROGRAM ARGUMENT...: its output is $FOLDER/NAME.log
start() {
    local name=$1
    shift
    "$@" </dev/null >"$FOLDER/$name.log" 2>&1 &
    PID[$name]=$!
}

is_running() { [ -n "${PID[$1]:-}" ] && kill -0 "${PID[$1]}" 2>/dev/null; }

port_of() { # NAME KEY: from its line "ready"
    sed -n "s/.*msg=\"*ready\"* .*$2=\\([0-9]*\\).*/\\1/p" "$FOLDER/$1.log" | tail -n 1
}

says() { grep -Eq -- "$2" "$FOLDER/$1.log"; } # NAME REGEX

dies_early() { ! is_running "$1"; }

is_up() { # coordinator
    [ -n "$(port_of "$1" http_port)" ] || dies_early "$1"
}

start_coordinator() {
    local http=${HTTP_PORT:-0} link=${LINK_PORT:-0}
    start coordinator hedgerow-coordinator --http-listen="127.0.0.1:$http" \
        --link-listen="tcp://127.0.0.1:$link" --log-format=logfmt "$@"
    if ! wait_until "the coordinator is up" 20 is_up coordinator || dies_early coordinator; then
        fail "the coordinator did not start" "$(tail -n 5 "$FOLDER/coordinator.log")"
        finish
    fi
    HTTP_PORT=$(port_of coordinator http_port)
    LINK_PORT=$(port_of coordinator link_port)
    HTTP=http://127.0.0.1:$HTTP_PORT
    export HEDGEROW_SERVER=$HTTP
}

start_worker() {
    local name=$1
    shift
    start "$name" hedgerow-worker --worker-dial="tcp://127.0.0.1:$LINK_PORT" \
        --worker-name="$name" --log-format=logfmt "$@"
}

get() { curl -sS --max-time 20 "$HTTP$1"; }

live_workers() {
    get /v1/workers | grep -Eo '"state": ?"live"' | wc -l
}

has_workers() { [ "$(live_workers)" -eq "$1" ]; }

# Without its workers a test has nothing more to say.
wait_workers() {
    if ! wait_until "$1 workers are live" 20 has_workers "$1"; then
        tail -n 3 "$FOLDER"/*.log
        finish
    fi
}

# metric NAME [LABEL...]: the sum over all lines that have these labels; 0 when there is none
metric() {
    local name=$1 text
    shift
    text=$(get /metrics | grep -E "^$name(\\{| )")
    local label
    for label in "$@"; do text=$(grep -F -- "$label" <<<"$text"); done
    awk '{ sum += $NF } END { printf "%d\n", sum }' <<<"$text"
}

metric_is() { # WANTED NAME [LABEL...]
    [ "$(metric "${@:2}")" -eq "$1" ]
}

# Processes, alive or zombie, that run below this test with such a command line.
processes() {
    pgrep -f -- "$1" | while read -r pid; do
        if [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ]; then echo "$pid"; fi
    done
}

no_process() { [ -z "$(processes "$1")" ]; }

# ---- the end -------------------------------------------------------------------------------

stop() { # NAME: SIGTERM, and it must end by itself with 0
    local name=$1 pid=${PID[$1]:-} code=0
    [ -n "$pid" ] || return 0
    # In this order: a SIGCONT later would take away the SIGSTOP by which LeakSanitizer, at
    # the process's end, stops its threads, and it would wait for ever.
    kill -CONT "$pid" 2>/dev/null
    kill -TERM "$pid" 2>/dev/null
    if ! wait_until "$name ends on SIGTERM" 40 dies_early "$name"; then
        # Where it hangs: each thread's name, where it waits, and its state.
        (cd "/proc/$pid/task" && for task in *; do
            echo "    $(tr '\n\0' '  ' <"$task/comm") $(cat "$task/wchan")" \
                "$(sed -n 's/^State:\t//p' "$task/status")"
        done)
        kill -KILL "$pid" 2>/dev/null
    fi
    wait "$pid" 2>/dev/null || code=$?
    unset "PID[$name]"
    if [ -z "${MAY_FAIL[$name]:-}" ]; then
        expect "$name ends well" 0 "$code"
        [ $code -eq 0 ] || tail -n 30 "$FOLDER/$name.log"
    fi
}

# kill -9, and forget it
crash() {
    local pid=${PID[$1]}
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    unset "PID[$1]"
}

on_exit() {
    local code=$? name
    for name in "${!PID[@]}"; do
        kill -CONT "${PID[$name]}" 2>/dev/null
        kill -KILL "${PID[$name]}" 2>/dev/null
    done
    wait 2>/dev/null
    if [ "${KEEP:-}" = 1 ]; then echo "kept: $FOLDER"; else rm -rf "$FOLDER"; fi
    exit $code
}
trap on_exit EXIT
trap 'exit 130' INT TERM

finish() {
    local name report
    step "stopping"
    for name in "${!PID[@]}"; do
        [ "$name" = coordinator ] || stop "$name"
    done
    stop coordinator
    report=$(grep -lE 'ERROR: [A-Z][A-Za-z]*Sanitizer|WARNING: ThreadSanitizer|runtime error:' \
        "$FOLDER"/*.log 2>/dev/null)
    if [ -n "$report" ]; then
        fail "a sanitizer reports" \
            "$(xargs grep -hE -A 30 'Sanitizer|runtime error:' <<<"$report" | head -n 80)"
    fi
    echo "$CHECKS checks, $FAILURES failed"
    [ $FAILURES -eq 0 ]
    exit $?
}
