#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every .c and .h is as clang-format 14 writes it (`clang-format -i FILE` mends it).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
format=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$format" ] || ! "$format" --version | grep -q 'version 14\.'; then
    echo "clang-format 14 is not installed: deploy/setup does"
    exit 1
fi
if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -co --exclude-standard '*.c' '*.h'
else
    find . -name '*.[ch]' -not -path './build/*'
fi | while read -r file; do
    if [ -f "$file" ]; then echo "$file"; fi
done | xargs -r "$format" --dry-run --Werror
