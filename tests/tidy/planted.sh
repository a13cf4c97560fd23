#!/bin/bash
# SPDX-License-Identifier: MIT
#
# GOAL    each rule of laws.sh finds a planted breach, and a clean tree has none.
# METHOD  a small tree for each; the breach must be the only one, by its rule's name.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
count=0
spdx='/* SPDX-License-Identifier: MIT */'

fresh_tree() {
    rm -rf "$folder/tree"
    mkdir -p "$folder/tree/common/pure" "$folder/tree/coordinator/core" "$folder/tree/worker"
    plant common/pure/a.h "int a_get(void);"
    plant common/pure/a.c '#include "common/pure/a.h"' '' '#include <stdint.h>' '' 'int' \
        'a_get(void)' '{' '    return 4; /* time() rand() strcpy( are only words here */' '}' \
        'const char *text = "sprintf(atoi)";'
}

plant() { # FILE LINE...: with its licence
    local file=$folder/tree/$1
    shift
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$spdx" "$@" >"$file"
}

expect() { # RULE FILE LINE...: planted, this rule and no other fires
    local rule=$1
    shift
    fresh_tree
    plant "$@"
    expect_found "$rule"
}

expect_found() {
    local rule=$1 output
    count=$((count + 1))
    output=$(bash "$here/laws.sh" "$folder/tree" 2>&1) && output="(nothing)"
    if ! grep -q ": $rule: " <<<"$output" || [ "$(grep -c . <<<"$output")" -ne 1 ]; then
        echo "not found, or not alone: $rule"
        echo "$output" | sed 's/^/    /'
        failed=1
    fi
}

expect_clean() {
    local output
    count=$((count + 1))
    if ! output=$(bash "$here/laws.sh" "$folder/tree" 2>&1); then
        echo "found in a clean tree:"
        echo "$output" | sed 's/^/    /'
        failed=1
    fi
}

repeat() { # TIMES LINE
    local i
    for ((i = 0; i < $1; i++)); do echo "$2"; done
}

fresh_tree
expect_clean

expect room common/pure/b.c '#include "common/sys/clock.h"'
expect room common/sys/b.c '#include "common/edge/loop.h"'
expect room coordinator/core/b.c '#include "common/sys/clock.h"'
expect room coordinator/core/b.c '#include "proto/wire.h"'
expect room proto/b.c '#include "common/sys/log.h"'
expect room worker/sched/b.c '#include "common/edge/loop.h"'
expect room worker/b.c '#include "coordinator/core/core.h"'
expect room coordinator/b.c '#include "worker/sched/sched.h"'
expect room coordinator/new_room/b.c '#include "common/pure/a.h"'
expect include-root worker/b.c '#include "b.h"'
expect library worker/b.h '#include <event2/event.h>'
expect library coordinator/b.h '#include "proto/hedgerow.pb-c.h"'

fresh_tree
plant common/edge/b.c '#include <jansson.h>'
expect_clean
plant common/edge/c.c '#include <jansson.h>'
expect_found library

for call in strcpy strcat sprintf atoi alloca rand time usleep strtok system; do
    expect banned worker/b.c 'int' 'b_get(void)' '{' "    return (int) $call(x);" '}'
done
expect banned tests/unit/test_b.c 'void' 'b_wait(void)' '{' '    sleep(1);' '}'
expect clock worker/b.c 'int' 'b_get(void)' '{' '    return clock_gettime(x, y);' '}'
expect malloc coordinator/core/b.c 'int' 'b_step(void)' '{' '    x = calloc(1, 2);' '}'
expect thread-local worker/b.c 'static _Thread_local int b;'
expect thread-local common/edge/b.c 'static __thread int b;'

mapfile -t long < <(repeat 58 '    b();')
expect function-size worker/b.c 'void' 'b_go(void)' '{' "${long[@]}" '}'
mapfile -t long < <(repeat 57 '    b();')
fresh_tree
plant worker/b.c 'void' 'b_go(void)' '{' "${long[@]}" '}'
expect_clean
expect parameters worker/b.c 'void' 'b_go(int a, int b, int c, int d, int e,' '    int f)' \
    '{' '}'
fresh_tree
plant worker/b.c 'void' 'b_go(int a, void (*b)(int, int), int c, int d, int e)' '{' '}'
expect_clean
mapfile -t long < <(repeat 600 'extern int b;')
expect file-size worker/b.h "${long[@]}"
expect line-size worker/b.h "int b_$(repeat 95 x | tr -d '\n');"
expect blank worker/b.h 'int b; '
expect unfinished worker/b.h "/* TO""DO: later */"
expect path worker/b.h "/* see /ho""me/me/notes */"

fresh_tree
echo 'int b;' >"$folder/tree/worker/b.h"
expect_found spdx
fresh_tree
mkdir "$folder/tree/docs"
plant docs/b.h 'int b;'
expect_found top
fresh_tree
mkdir "$folder/tree/tests"
printf '#!/bin/bash\n# SPDX-License-Identifier: MIT\nif true; then\n' \
    >"$folder/tree/tests/b.sh"
output=$(bash "$here/laws.sh" "$folder/tree" 2>&1) && failed=1
grep -q ': shell: ' <<<"$output" || { echo "not found: shell"; failed=1; }

echo "$count planted trees, $([ $failed -eq 0 ] && echo all found || echo some missed)"
exit $failed
