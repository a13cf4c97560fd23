#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Clang accepts the whole house too, with the warnings of gcc's build: it knows other things
# (an atomic call on a plain object is an error, gcc lets it pass).
set -euo pipefail
database=${HEDGEROW_BIN:-build/release/bin}/../compile_commands.json
command -v clang-14 >/dev/null && [ -f "$database" ] || {
    echo "no clang-14, or no build to read the commands from"
    exit 77
}
commands=$(mktemp)
trap 'rm -f "$commands"' EXIT
# One command for a source, though several targets compile it.
sed -n 's/^ *"command": "\(.*\)",$/\1/p' "$database" | sed 's/\\"/"/g; s/\\\\/\\/g' |
    grep -v '/hedgerow\.pb-c\.c\|\.S$' |
    sed -E 's/ -ftrivial-auto-var-init=[a-z]+| -o [^ ]+ -c//g; s/^[^ ]*ccache //' |
    sed -E 's/^[^ ]+ /clang-14 -fsyntax-only /; s/$/ -Wno-sign-conversion/' |
    awk '!seen[$(NF - 1)]++' >"$commands"
[ "$(wc -l <"$commands")" -gt 100 ] || {
    echo "only $(wc -l <"$commands") commands in $database: is it what it was?"
    exit 1
}
nice xargs -P "$(nproc)" -d '\n' -n 1 bash -c 'cd "$0" && eval "$1"' "$(dirname "$database")" \
    <"$commands" || {
    echo "clang does not accept the above"
    exit 1
}
echo "clang accepts $(wc -l <"$commands") sources"
