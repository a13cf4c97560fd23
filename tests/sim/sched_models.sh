#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ONLY release
#
# Spin explores every interleaving of the scheduler's protocols (tests/models/sched_*.pml):
# each must hold, and its planted fault (-DBROKEN) must be found, or the model proves nothing.
set -u
models=$(cd "$(dirname "$0")/../models" && pwd)
command -v spin >/dev/null && command -v gcc >/dev/null || {
    echo "spin is not installed"
    exit 77
}
work=$(mktemp -d /tmp/hedgerow_models.XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
for model in "$models"/sched_*.pml; do
    name=$(basename "$model" .pml)
    for variant in "" -DBROKEN; do
        timeout 120 spin $variant -a "$model" >log 2>&1 &&
            gcc -O2 -w -DSAFETY -DNOREDUCE -DMEMLIM=1024 -o pan pan.c >>log 2>&1 &&
            timeout 120 ./pan -m200000 >>log 2>&1
        errors=$(sed -n 's/.*errors: *\([0-9]*\).*/\1/p' log)
        states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' log)
        complete=yes
        grep -qE 'max search depth too small|out of memory|interrupted' log && complete=no
        if { [ -z "$variant" ] && [ "$errors" = 0 ] && [ $complete = yes ]; } ||
            { [ -n "$variant" ] && [ "${errors:-0}" -gt 0 ]; }; then
            echo "ok - $name ${variant:-(holds)}: $states states, $errors errors"
        else
            echo "not ok - $name ${variant:-(holds)}"
            tail -40 log
            failed=1
        fi
    done
done
exit $failed
