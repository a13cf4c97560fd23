#!/bin/bash
# SPDX-License-Identifier: MIT
# ONLY release
#
# GOAL    gdb shows fibers, with states, reasons, backtraces: of a live program and of a core.
# METHOD  a program that is stuck and aborts, run by gdb in batch mode, and once more alone for
#         the kernel to write its core (gdb's own gcore leaves out a MiB with a guard page in
#         it); all from an install into a folder of our own.
set -euo pipefail
bin=${HEDGEROW_BIN:?the folder of the binaries}
[ -z "${HEDGEROW_SANITIZE:-}" ] || exit 77
build=${bin%/bin}
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if ! gdb -nx -batch -ex 'python print("fine")' 2>&1 | grep -q fine; then
    echo "skipped: there is no gdb with python here (deploy/setup test installs it)"
    exit 77
fi
if ! gdb -nx -batch -ex run /bin/true 2>&1 | grep -q 'exited normally'; then
    echo "skipped: gdb may not trace a program here"
    exit 77
fi

cmake --install "$build" --component sched --prefix "$work/usr" >install.log
script=$work/usr/share/hedgerow/hedgerow-sched-gdb.py
archive=$(find usr -name libhedgerow-sched.a)
cc -g -O1 -fno-omit-frame-pointer -fno-optimize-sibling-calls -I usr/include \
    "$source/tests/examples/sched/stuck.c" "$archive" -lpthread -o stuck

look=(-ex "source $script" -ex 'hr fibers' -ex 'hr bt all')
timeout 120 gdb -nx -batch -ex 'set pagination off' -ex 'set debuginfod enabled off' -ex run \
    "${look[@]}" -ex kill ./stuck >live.txt 2>&1 || true
texts=(live)
(ulimit -c unlimited 2>/dev/null && timeout 60 ./stuck) >/dev/null 2>&1 || true
core=$(find . -maxdepth 1 -name 'core*' | head -n 1)
if [ -n "$core" ]; then
    timeout 120 gdb -nx -batch -ex 'set debuginfod enabled off' "${look[@]}" ./stuck "$core" \
        >core.txt 2>&1 || true
    texts+=(core)
else
    echo "no core file: the kernel's core_pattern is $(cat /proc/sys/kernel/core_pattern)"
fi

failures=0
for text in "${texts[@]}"; do
    for pattern in "^fiber [0-9]+  WAITING chan recv  'postman'  born main " \
        "^fiber [0-9]+  WAITING sleep  'sleeper'  born main .*stuck\.c:[0-9]+" \
        "^fiber [0-9]+  RUNNING on the thread 0x[0-9a-f]+  'despair'" '^3 fibers$' \
        '^#[0-9]+ +0x[0-9a-f]+ in hr_sleep ' \
        '^#[0-9]+ +0x[0-9a-f]+ in wait_for_mail .*stuck\.c:[0-9]+' \
        '^#[0-9]+ +0x[0-9a-f]+ in sleep_long .*stuck\.c:[0-9]+'; do
        if ! grep -Eq -- "$pattern" $text.txt; then
            echo "not ok: $text: no line like $pattern"
            failures=1
        fi
    done
    [ $failures -eq 0 ] || { cat $text.txt; exit 1; }
    echo "ok: $text"
done
