# SPDX-License-Identifier: MIT
#
# tests/support/cli_page.sh - print the page of a new user's first words with hedgerow;
# sourced after cli.sh.  tests/e2e/cli_page.sh holds deploy/docs/FIRST_WORDS.md to it:
#
#   HEDGEROW_BIN=build/bin tests/e2e/cli_page.sh --write

show() {
    printf '\n```console\n$ hedgerow %s\n' "$*"
    hedgerow "$@" </dev/null >"$work/out" 2>&1
    local code=$?
    # Ports, ids and versions differ each time.
    sed -e "s|${http:-no-server}|http://127.0.0.1:8080|g" \
        -e 's/[0-9a-f]\{8\}-[0-9a-f-]\{27\}/01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44/g' "$work/out"
    [ $code -eq 0 ] || printf '$ echo $?\n%d\n' $code
    printf '```\n'
}

page() {
    cat <<'END'
<!-- SPDX-License-Identifier: MIT -->
# First words

What a new user sees who makes the usual mistakes: each message says what is wrong, and then
what to do next. Written by `tests/e2e/cli_page.sh --write`, and held to the command by the
same test.

## Just the name
END
    show
    printf '\n## A typo\n'
    show rnu
    show run sha256 hello --tiemout 3s
    show run sha256 hello --hedge of
    printf '\n## A bad timeout\n'
    show run sha256 hello --timeout 10x
    printf '\n## No coordinator\n'
    HEDGEROW_SERVER=http://127.0.0.1:1 show run sha256 hello
    show run sha256 hello -s nowhere.invalid:8080
    start_dev --workers 1
    printf '\n## An unknown handler\n'
    show run sha265 hello
    printf '\n## An unknown job\n'
    show explain 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44
    printf '\n## No worker\n'
    # dev would start it again.
    kill -STOP "$dev"
    kill -9 "$worker_pids"
    gone() { ! hedgerow workers -o jsonl | grep -q '"state":"\(live\|suspect\)"'; }
    wait_until gone >&2
    show run sha256 hello
    kill -CONT "$dev"
    printf '\n## Out of time\n'
    back() { hedgerow workers -o jsonl | grep -q '"state":"live"'; }
    wait_until back >&2
    show run sleep 10s --timeout 300ms
    printf '\n## How it ended\n'
    show help exit-codes
}
