#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    each fault that is planted in the core (coordinator/core/plant.h) is found, and the
#         seed that is named finds it again; with none planted the same build is clean.
set -euo pipefail
sim="${HEDGEROW_BIN:?}/hedgerow-sim-planted"
source="${HEDGEROW_SOURCE:?}/coordinator/core/plant.h"
"$sim" faults --seeds 500 --quiet --plant none
plants=$(sed -n 's/^ *X(\([a-z_]*\), ".*/\1/p' "$source" | grep -v '^none$')
[ -n "$plants" ]
for plant in $plants; do
    if output=$("$sim" faults --seeds 20000 --quiet --plant "$plant" 2>&1); then
        echo "not found: $plant"
        exit 1
    fi
    seed=$(sed -n 's/^replay: .*--start \([0-9]*\)$/\1/p' <<<"$output")
    why=$(sed -n "s/^seed $seed: //p" <<<"$output")
    echo "$plant: seed $seed: $why"
    if "$sim" faults --seeds 1 --start "$seed" --quiet --plant "$plant" >/dev/null 2>&1; then
        echo "seed $seed does not find $plant again"
        exit 1
    fi
done
