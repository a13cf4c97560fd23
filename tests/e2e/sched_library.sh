#!/bin/bash
# SPDX-License-Identifier: MIT
# ONLY release
#
# GOAL    libhedgerow-sched as others meet it: installed, found by pkg-config, and a program
#         outside of the tree builds and runs with it: shared and static, as C and as C++.
# METHOD  Install into a folder of our own; compile with every warning and nothing of ours.
set -euo pipefail
bin=${HEDGEROW_BIN:?the folder of the binaries}
[ -z "${HEDGEROW_SANITIZE:-}" ] || exit 77 # a plain program cannot load a sanitized library
command -v cc >/dev/null && command -v pkg-config >/dev/null || exit 77
build=${bin%/bin}
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "not ok: $*"
    exit 1
}

cmake --install "$build" --component sched --prefix "$work/usr" >"$work/install.log" 2>&1 ||
    fail "not installed: $(cat "$work/install.log")"
pc=$(find "$work/usr" -name hedgerow-sched.pc)
export PKG_CONFIG_PATH=${pc%/*}
flags() { pkg-config --define-variable=prefix="$work/usr" "$@" hedgerow-sched; }
shared=$(find "$work/usr" -name libhedgerow-sched.so)
archive=$(find "$work/usr" -name libhedgerow-sched.a)
[ -n "$shared" ] && [ -n "$archive" ] || fail "a library is missing"

# Nothing but the header's names is visible.
others=$(nm -D --defined-only "$shared" | awk '$3 !~ /^hr_/ { print $3 }')
[ -z "$others" ] || fail "the library shows more: $others"
others=$(nm --defined-only "$archive" | awk '$2 ~ /[A-Z]/ && $3 !~ /^hr_/ { print $3 }')
[ -z "$others" ] || fail "the archive shows more: $others"
readelf -d "$shared" | grep -q 'SONAME.*libhedgerow-sched\.so\.0' || fail "no SONAME"
# Every name that the header has is there.
for name in $(grep -o '\bhr_[a-z_]*(' "$source/worker/sched/sched.h" | tr -d '(' | sort -u); do
    case $name in hr_*_fn | hr_fn) continue ;; esac
    nm -D --defined-only "$shared" | grep -q " $name\$" || fail "$name() is not in the library"
done

check() { # NAME COMMAND...: run it, its output must be the race's
    local name=$1
    shift
    "$@" >"$work/out" 2>&1 || fail "$name: $(cat "$work/out")"
    diff -u - "$work/out" <<'END' || fail "$name: not what it should print"
tortoise wins
hare was stopped
END
    echo "ok: $name"
}

cd "$work" # nothing of the tree in reach
cp "$source/tests/examples/sched/race.c" .
read -ra cflags <<<"$(flags --cflags)"
read -ra libs <<<"$(flags --libs)"
cc -std=c11 -Wall -Wextra -Wpedantic -Werror race.c "${cflags[@]}" "${libs[@]}" -o shared
check shared env LD_LIBRARY_PATH="${shared%/*}" ./shared
cc -std=c11 -Wall -Wextra -Werror race.c "${cflags[@]}" "$archive" -lpthread -o static
check static ./static
if command -v c++ >/dev/null; then
    c++ -x c++ -std=c++17 -Wall -Wextra -Werror race.c "${cflags[@]}" -x none \
        "${libs[@]}" -o cpp
    check c++ env LD_LIBRARY_PATH="${shared%/*}" ./cpp
fi
