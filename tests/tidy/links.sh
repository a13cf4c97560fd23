#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every relative link of a document leads somewhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
status=0
while read -r page; do
    while read -r target; do
        target=${target%%#*}
        case $target in '' | *://* | mailto:*) continue ;; esac
        if [ ! -e "$(dirname "$page")/$target" ]; then
            echo "$page: there is no $target"
            status=1
        fi
    done < <(grep -oE '\]\([^) ]+\)' "$page" | sed 's/^](//; s/)$//')
done < <(find . -name '*.md' -not -path './build/*' -not -path './.git/*')
exit $status
