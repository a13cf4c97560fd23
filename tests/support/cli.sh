# SPDX-License-Identifier: MIT
#
# tests/support/cli.sh - for the shell tests of the command line; sourced.
#
#   expect CODE WORD... <<'END'      run `hedgerow WORD...`; what it prints must be the text:
#   a line of stdout                 stdout first, then each line of stderr behind "! "
#   ! a line of stderr
#   END
#   ask CODE WORD...                 run it; code must fit; $out and $err hold what it said
#   start_dev FLAG...                a service of our own; $http, $worker_pids, ... are set
#
# In the text, {ANY} stands for anything within a line.
set -u
: "${HEDGEROW_BIN:?the folder of the binaries}"
bin=$HEDGEROW_BIN
sanitizers=${HEDGEROW_SANITIZE:-}
PATH=$bin:$PATH
work=$(mktemp -d)
failures=0
dev=''
unset "${!HEDGEROW_@}" NO_COLOR
export HOME=$work XDG_STATE_HOME=$work/state XDG_RUNTIME_DIR=$work LC_ALL=C.UTF-8 TERM=dumb

cli_end() {
    local code=$?
    if [ -n "$dev" ]; then
        kill -TERM "$dev" 2>/dev/null
        wait "$dev"
        [ $? -eq 0 ] || { echo "dev did not end with 0"; failures=1; }
    fi
    [ $failures -eq 0 ] || { [ ! -s "$work/dev.log" ] || tail -n 40 "$work/dev.log"; code=1; }
    rm -rf "$work"
    exit $code
}
trap cli_end EXIT

fail() {
    failures=$((failures + 1))
    printf 'not ok: %s\n' "$*"
}

ask() {
    local wanted=$1 code
    shift
    hedgerow "$@" >"$work/out" 2>"$work/err"
    code=$?
    out=$(cat "$work/out")
    err=$(cat "$work/err")
    if [ $code -eq "$wanted" ]; then
        printf 'ok: hedgerow %s -> %d\n' "$*" $code
    else
        fail "hedgerow $* ended with $code, not $wanted"
        sed 's/^/    /' "$work/out" "$work/err"
    fi
}

expect() {
    local wanted actual pattern
    wanted=$(cat)
    ask "$@" </dev/null
    actual=$out
    [ -z "$err" ] || actual=${actual:+$actual$'\n'}$(printf '%s\n' "$err" | sed 's/^/! /')
    # Literal but for {ANY}.
    pattern=$(printf '%s\n' "$wanted" | sed -e 's/[][\.*^$]/\\&/g' -e 's/{ANY}/.*/g')
    if ! diff <(printf '%s\n' "$pattern") <(printf '%s\n' "$actual") >/dev/null &&
        ! lines_fit "$pattern" "$actual"; then
        shift
        fail "hedgerow $* says something else:"
        diff -u <(printf '%s\n' "$wanted") <(printf '%s\n' "$actual") | sed 's/^/    /'
    fi
}

# Line by line, each against its own pattern.
lines_fit() {
    local pattern line
    [ "$(printf '%s\n' "$1" | wc -l)" -eq "$(printf '%s\n' "$2" | wc -l)" ] || return 1
    while IFS= read -r pattern <&3 && IFS= read -r line <&4; do
        printf '%s\n' "$line" | grep -qx -- "$pattern" || return 1
    done 3<<<"$1" 4<<<"$2"
}

has() {
    case $1 in
    *"$2"*) ;;
    *) fail "'$2' is missing in:" && printf '%s\n' "$1" | sed 's/^/    /' ;;
    esac
}

# wait_until COMMAND...: at most 20 s, for the event that the command looks for.
wait_until() {
    local deadline=$((SECONDS + 20))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || { fail "waited for: $*"; return 1; }
        read -rt 0.05 <> <(:)
    done
    return 0 # not that of the last read
}

start_dev() {
    rm -f "$work/dev.state"
    hedgerow dev --port 0 --state-file "$work/dev.state" "$@" >"$work/dev.log" 2>&1 &
    dev=$!
    if ! wait_until grep -q ready=1 "$work/dev.state"; then
        cat "$work/dev.log"
        exit 1
    fi
    . "$work/dev.state"
    export HEDGEROW_SERVER=$http
}
