#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The law of the house as a test: rooms, libraries, banned calls, sizes, licence lines.
# laws.sh [ROOT]    (default: this tree).  Exits 1 when the law is broken.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-${here%/tests/tidy}}"
status=0

# What git would take, so that a build tree or an editor's backup is no breach.
list_files() {
    if git rev-parse --show-cdup >/dev/null 2>&1 && [ -z "$(git rev-parse --show-cdup)" ]; then
        git ls-files -co --exclude-standard
    else
        find . -type f -not -path './build/*' -printf '%P\n'
    fi | sort
}

mapfile -t files < <(list_files | while read -r file; do
    if [ -f "$file" ]; then echo "$file"; fi
done)

text_files=()
shell_files=()
declare -A top=()
for file in "${files[@]}"; do
    top[${file%%/*}]=1
    case $file in
    tests/fuzz/corpus/*) continue ;; # bytes, not texts
    *.c | *.h | *.S | *.sh | *.awk | *.cmake | *.proto | *.py | *.go | */CMakeLists.txt | \
        CMakeLists.txt | *.md | *.yml | *.yaml | */Dockerfile | *.[1-9])
        text_files+=("$file") ;;
    deploy/* | tests/run | .ci/run)
        # Programs without a suffix are scripts.
        if [ "$(head -c 2 "$file")" = '#!' ]; then text_files+=("$file"); fi ;;
    esac
    if [[ $(head -n 1 "$file" | tr -d '\0') == '#!'*sh ]] || [[ $file == *.sh ]]; then
        shell_files+=("$file")
    fi
done

for name in "${!top[@]}"; do
    case $name in
    coordinator | worker | common | proto | tests | deploy | .*) ;;
    CMakeLists.txt | CMakePresets.json | README.md | ARCHITECTURE.md | CONTRIBUTING.md) ;;
    LICENSE | SECURITY.md) ;;
    *)
        echo "$name:1: top: no other file or folder stands at the top"
        status=1 ;;
    esac
done

for file in "${shell_files[@]}"; do
    if ! bash -n "$file"; then
        echo "$file:1: shell: bash cannot read it"
        status=1
    fi
done

if [ ${#text_files[@]} -gt 0 ]; then
    awk -f "$here/laws.awk" "${text_files[@]}" || status=1
fi
[ $status -eq 0 ] && echo "the law holds in ${#text_files[@]} files"
exit $status
