#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    the man page says what the command says.
. "${HEDGEROW_SOURCE:-.}/tests/support/cli.sh"

source=$(cd "$(dirname "$0")/../.." && pwd)
bash "$source/deploy/docs/man/make" "$bin/hedgerow" >"$work/hedgerow.1" || fail "not written"
if ! diff -u "$source/deploy/docs/man/hedgerow.1" "$work/hedgerow.1"; then
    fail "run: deploy/docs/man/make build/bin/hedgerow >deploy/docs/man/hedgerow.1"
fi
# And it is not empty: each command, each flag of one.
for word in run explain submit 'concurrency' 'idempotency' 'exit\-codes' 124; do
    grep -qF -- "$word" "$work/hedgerow.1" || fail "$word is not in the page"
done
echo "ok: hedgerow.1"
