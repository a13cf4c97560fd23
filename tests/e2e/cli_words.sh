#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    what a new user sees who has nothing running yet: each says what is wrong and what
#         to do next.
. "${HEDGEROW_SOURCE:-.}/tests/support/cli.sh"

# Port 1 is nobody's: a refusal at once.
nobody=http://127.0.0.1:1

ask 0
has "$out" "Usage: hedgerow COMMAND"
has "$out" "hedgerow dev "
has "$out" "hedgerow run sha256 hello"
[ -z "$err" ] || fail "help belongs on stdout"
ask 0 --help
has "$out" "Commands:"
ask 0 help

expect 2 rnu <<'END'
! hedgerow: there is no command 'rnu'; did you mean 'run'?
!   All commands:  hedgerow --help
END

expect 2 zzzzzzzz <<'END'
! hedgerow: there is no command 'zzzzzzzz'
!   All commands:  hedgerow --help
END

expect 2 --server x run <<'END'
! hedgerow: the command comes first, then its flags: hedgerow run --server ...
!   All commands:  hedgerow --help
END

expect 2 run <<'END'
! hedgerow run: which handler?
!   hedgerow run HANDLER [TEXT|@FILE|-]
!   The handlers that there are:  hedgerow handlers
END

expect 2 run sha256 hello --tiemout 3s <<'END'
! hedgerow run: unknown flag '--tiemout'; did you mean '--timeout'?
!   See 'hedgerow run --help'.
END

expect 2 run sha256 -Z <<'END'
! hedgerow run: unknown flag '-Z'
!   See 'hedgerow run --help'.
END

expect 2 run sha256 hello --timeout <<'END'
! hedgerow run: --timeout needs a value
!   See 'hedgerow run --help'.
END

expect 2 run sha256 hello --timeout 3parsecs <<'END'
! hedgerow run: --timeout: '3parsecs' is not a time: {ANY}
!   Write a number and a unit, such as 300ms, 10s or 1m30s.
END

expect 2 run sha256 hello --timeout 0s <<'END'
! hedgerow run: --timeout: '0s' is less than a millisecond
!   See 'hedgerow run --help'.
END

expect 2 run sha256 hello --hedge of <<'END'
! hedgerow run: --hedge: 'of' is not known; did you mean 'off'?
!   It may be auto, off or a time such as 20ms.
END

expect 2 run sha256 hello --mode rase <<'END'
! hedgerow run: --mode: 'rase' is not known; did you mean 'race'?
!   It may be single, hedge, race or tied.
END

expect 2 run sha256 hello -o xml <<'END'
! hedgerow run: --output: 'xml' is not known
!   It may be raw, json, jsonl, id or none.
END

expect 2 run sha256 hello --copies 9 <<'END'
! hedgerow run: --copies: '9' is not a number from 1 to 5
!   See 'hedgerow run --help'.
END

expect 2 run sha256 a b <<'END'
! hedgerow run: 'b' is one input too many; for a job of each file, add --each
!   See 'hedgerow run --help'.
END

expect 2 run sha256 @/no/such/file <<'END'
! hedgerow run: cannot open '/no/such/file': No such file or directory
END

expect 6 run sha256 hello --server $nobody <<'END'
! hedgerow run: no coordinator answers at http://127.0.0.1:1: connection refused
!   Is --server (or HEDGEROW_SERVER) right?  Then look:  hedgerow health -s http://127.0.0.1:1
END

id=01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44
for command in "workers" "handlers" "list" "health" "health --ready" "get $id" "cancel $id" \
    "wait $id" "result $id" "explain $id" "submit echo x" "run echo --each /etc/passwd"; do
    # shellcheck disable=SC2086
    ask 6 $command -s $nobody
    [ -z "$out" ] || fail "$command says something on stdout"
    has "$err" "no coordinator answers at $nobody"
done

expect 2 get nonsense -s $nobody <<'END'
! hedgerow get: not the id of a job
END

expect 2 explain <<'END'
! hedgerow explain: name one job, or --last
!   See 'hedgerow explain --help'.
END

ask 6 run sha256 hello -s $nobody --json
has "$out" '"code":"unavailable"'

ask 0 version -s $nobody
has "$out" "hedgerow 0."
ask 0 version -s $nobody -o json
has "$out" '"coordinator": null'
ask 0 help exit-codes
has "$out" "124  time ran out"

# Each command teaches: an example, and every flag with a sentence.
commands=$(hedgerow --help | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p')
for command in $commands; do
    case $command in help | hedgerow) continue ;; esac
    ask 0 "$command" --help
    has "$out" "Examples:"
    has "$out" "hedgerow $command"
    ask 0 help "$command"
done

expect 2 dev --workers 0 <<'END'
! hedgerow dev: --workers: '0' is not a number from 1 to 64
!   See 'hedgerow dev --help'.
END

# A pipe that nobody asked for is not read, but not passed over in silence either.
printf 'forgotten' | hedgerow run sha256 -s $nobody 2>"$work/err"
has "$(cat "$work/err")" "standard input is not read; write - behind the handler to send it"
