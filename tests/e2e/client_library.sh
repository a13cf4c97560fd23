#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    libhedgerow as others meet it: installed, found by pkg-config, and the example runs.
. "${HEDGEROW_SOURCE:-.}/tests/support/cli.sh"

[ -z "$sanitizers" ] || exit 77 # a plain program cannot load a sanitized library
command -v cc >/dev/null && command -v pkg-config >/dev/null || exit 77
build=${bin%/bin}
source=$(cd "$(dirname "$0")/../.." && pwd)

cmake --install "$build" --component library --prefix "$work/usr" >"$work/install.log" 2>&1 ||
    fail "not installed: $(cat "$work/install.log")"
pc=$(find "$work/usr" -name hedgerow.pc)
export PKG_CONFIG_PATH=${pc%/*}
flags() { pkg-config --define-variable=prefix="$work/usr" "$@" hedgerow; }

# shellcheck disable=SC2046
cc -std=c11 -Wall -Wextra -Werror "$source/tests/examples/client/hash.c" \
    $(flags --cflags --libs) -o "$work/hash" || fail "the example does not compile"
lib=$(find "$work/usr" -name 'libhedgerow.so')
export LD_LIBRARY_PATH=${lib%/*}

# Nothing but the header's names is visible.
others=$(nm -D --defined-only "$lib" | awk '{ print $3 }' | grep -v '^hedgerow_')
[ -z "$others" ] || fail "the library shows more: $others"

"$work/hash" hello >"$work/out" 2>"$work/err" && fail "nobody was there to ask"
has "$(cat "$work/err")" "unavailable: no coordinator answers"

start_dev --workers 1
[ "$("$work/hash" hello)" = "$(printf hello | sha256sum)" ] || fail "not what sha256sum says"
echo "ok: the example runs"
