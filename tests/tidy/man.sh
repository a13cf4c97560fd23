#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every setting stands in the man page of its program, and no other does; every call of the
# scheduler in its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
status=0

flags_of_table() { # C or W
    tr -d '\n\\' <common/sys/settings_list.h | sed 's/X(/\n/g' |
        sed -n 's/^[A-Z0-9]*, *[a-z_0-9]*, *"\([a-z._]*\)", *SETTINGS_\([CW]*\).*/\2 \1/p' |
        awk -v program="$1" 'index($1, program) { gsub(/[._]/, "-", $2); print $2 }' | sort
}

flags_of_page() {
    sed -n 's/^\\fB\\-\\-\([a-z\\-]*\)\\fR=.*/\1/p' "deploy/docs/man/$1.8" | tr -d '\\' |
        grep -vx -e config -e exec | sort
}

for program in C:hedgerow-coordinator W:hedgerow-worker; do
    [ -n "$(flags_of_table "${program%%:*}")" ] || { echo "the table was not read"; exit 1; }
    if ! diff <(flags_of_table "${program%%:*}") <(flags_of_page "${program#*:}"); then
        echo "deploy/docs/man/${program#*:}.8: < missing, > unknown"
        status=1
    fi
done
# Every call of the scheduler's header stands in its page, by name or as hr_NAME_*.
page=deploy/docs/man/hedgerow-sched.7
calls=$(sed '/^ \*/d; /^\/\*/d' worker/sched/sched.h | grep -o '\bhr_[a-z_]*(' |
    tr -d '(' | sort -u)
[ "$(wc -l <<<"$calls")" -gt 50 ] || { echo "the header was not read"; exit 1; }
for call in $calls; do
    case $call in *_fn) continue ;; esac
    family=$(cut -d _ -f 1-2 <<<"$call")_\*
    if ! grep -q "\b$call\b" $page && ! grep -qF "${family/\\/}" $page; then
        echo "$page: $call() is missing"
        status=1
    fi
done
if command -v man >/dev/null; then
    for page in deploy/docs/man/*.[1-9]; do
        warnings=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" \
            2>&1 >/dev/null)
        [ -z "$warnings" ] || { echo "$page: $warnings"; status=1; }
    done
fi
exit $status
