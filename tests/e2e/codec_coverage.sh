#!/bin/bash
# SPDX-License-Identifier: MIT
# ONLY release
#
# GOAL    the parser of what strangers send has no line that its tests never ran: at least 95
#         of 100 in each of its files.
# METHOD  codec*.c once more with gcc's counters, under its unit test and the fuzzer's corpus.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
LINES_MIN=95
command -v gcov >/dev/null || { echo "no gcov here: skipped"; exit 77; }

source=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=gnu17 -O0 -g -D_GNU_SOURCE '-DHEDGEROW_VERSION="coverage"' -I "$PWD")
parser=(coordinator/http/codec*.c)

for file in "${parser[@]}"; do
    gcc "${flags[@]}" --coverage -c "$file" -o "$work/$(basename "$file" .c).o"
done
for file in common/pure/*.c; do
    gcc "${flags[@]}" -c "$file" -o "$work/pure_$(basename "$file" .c).o"
done
gcc "${flags[@]}" --coverage -o "$work/unit" tests/unit/test_codec.c \
    tests/support/cunit_main.c "$work"/*.o -lcunit -lm
gcc "${flags[@]}" --coverage -o "$work/corpus" tests/fuzz/fuzz_http.c \
    tests/support/fuzz_replay.c "$work"/*.o -lm
"$work/unit" >"$work/out" || { tail "$work/out"; exit 1; }
"$work/corpus" tests/fuzz/corpus/http

status=0
for file in "${parser[@]}"; do
    stem=$(basename "$file" .c)
    (cd "$work" && gcov -o "$stem.gcda" "$source/$file") >"$work/gcov" 2>&1 ||
        { cat "$work/gcov"; exit 1; }
    share=$(grep -A 1 "File '.*$file'" "$work/gcov" |
        sed -n 's/Lines executed:\([0-9.]*\)%.*/\1/p')
    echo "$file: $share % of lines"
    if [ -z "$share" ] || awk "BEGIN { exit !($share < $LINES_MIN) }"; then
        status=1
    fi
    awk -F: '/#####/ { print "  never run:" $2 ":" $3 }' "$work/$stem.c.gcov"
done
exit $status
