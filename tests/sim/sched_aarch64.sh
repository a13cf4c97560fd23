#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ONLY release
#
# The scheduler on aarch64, by a cross compiler and qemu-user: the examples print what they
# print here.  In the long form, where both are installed (deploy/setup long).
set -euo pipefail
[ -n "${HEDGEROW_TEST_LONG:-}" ] || {
    echo "only in the long form"
    exit 77
}
command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null || {
    echo "no aarch64-linux-gnu-gcc, or no qemu-aarch64"
    exit 77
}
cd "$(dirname "$0")/../.."
work=$(mktemp -d /tmp/hedgerow_aarch64.XXXXXX)
trap 'rm -rf "$work"' EXIT
flags=(-O2 -g -std=gnu17 -D_GNU_SOURCE '-DHEDGEROW_VERSION="0"' -fno-omit-frame-pointer
    -fno-strict-aliasing -I.)
for source in worker/sched/*.[cS] common/pure/*.c common/sys/*.c; do
    aarch64-linux-gnu-gcc "${flags[@]}" -c "$source" -o "$work/${source//\//_}.o"
done
failed=0
for source in tests/examples/*.c; do
    name=$(basename "$source" .c)
    aarch64-linux-gnu-gcc "${flags[@]}" -static "$source" "$work"/*.o -o "$work/$name" \
        -lpthread -lm 2>"$work/link.log" || { cat "$work/link.log"; failed=1; continue; }
    if timeout 120 qemu-aarch64 "$work/$name" | diff -u "tests/examples/$name.out" -; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        failed=1
    fi
done
exit $failed
