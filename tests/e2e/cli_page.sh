#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    the page of a new user's first words says what the command says today.
. "${HEDGEROW_SOURCE:-.}/tests/support/cli.sh"
. "${HEDGEROW_SOURCE:-.}/tests/support/cli_page.sh"

file=$(cd "$(dirname "$0")/../.." && pwd)/deploy/docs/FIRST_WORDS.md
page >"$work/page"
if [ "${1:-}" = --write ]; then
    cp "$work/page" "$file"
elif ! diff -u "$file" "$work/page"; then
    fail "deploy/docs/FIRST_WORDS.md is of yesterday: tests/e2e/cli_page.sh --write"
fi
echo "ok: FIRST_WORDS.md"
