#!/bin/bash
# SPDX-License-Identifier: MIT
# SECONDS 1200
# ONLY release
#
# GOAL    deploy/docker-compose.yml comes up healthy from nothing, runs a job from the host,
#         scales to five workers, drains, and leaves nothing behind.
# METHOD  a Docker of Debian's; where no registry answers, the base image is made by
#         debootstrap.  Its own project, port and tags: nobody's containers are touched.
#         Skipped (77) only where no Docker can run.
. "$(dirname "${BASH_SOURCE[0]}")/../support/e2e.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

skip() {
    echo "SKIPPED: $1"
    exit 77
}

[ "$(id -u)" -eq 0 ] || docker info >/dev/null 2>&1 || skip "Docker needs root here"

# Docker's client keeps what it needs beside its own HOME.
export DOCKER_CONFIG=$FOLDER/docker
base=debian:bookworm-slim
made_base=hedgerow-test-base:bookworm
export HEDGEROW_IMAGE=hedgerow:test
export COMPOSE_PROJECT_NAME=hedgerowtest$$
export HEDGEROW_LINK_TOKEN=$FOLDER/link-token
dockerd_pid=''

step "Docker"
deploy/setup compose || exit 1
if ! docker info >/dev/null 2>&1; then
    dockerd >"$FOLDER/dockerd.log" 2>&1 &
    dockerd_pid=$!
    for ((i = 0; i < 300; i++)); do
        if docker info >/dev/null 2>&1 || ! kill -0 $dockerd_pid 2>/dev/null; then break; fi
        sleep 0.1
    done
    if ! docker info >/dev/null 2>&1; then
        tail -n 5 "$FOLDER/dockerd.log"
        skip "no Docker daemon can run here"
    fi
fi
compose=(docker-compose)
if docker compose version >/dev/null 2>&1; then compose=(docker compose); fi
compose+=(-f deploy/docker-compose.yml)

# shellcheck disable=SC2317
clean_up() {
    local code=$?
    trap - EXIT
    "${compose[@]}" down -v -t 5 >/dev/null 2>&1
    if [ -n "$dockerd_pid" ]; then
        kill "$dockerd_pid" 2>/dev/null
        wait "$dockerd_pid" 2>/dev/null
    fi
    rm -rf "$FOLDER"
    exit $code
}
trap clean_up EXIT

# A base image of what this machine installs from, set up as this machine's apt is.
make_base() {
    local root=$FOLDER/base mirror
    mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' |
        awk '$2 == "bookworm" { print $1; exit }')
    debootstrap --variant=minbase bookworm "$root" "${mirror:-http://deb.debian.org/debian}" \
        >"$FOLDER/debootstrap.log" 2>&1 || return 1
    apt-config dump Acquire | grep -E '^Acquire::(https?::|Check-|ForceIP)' \
        >"$root/etc/apt/apt.conf.d/00host"
    rm -f "$root/etc/apt/sources.list"
    find /etc/apt/sources.list /etc/apt/sources.list.d -type f \
        \( -name '*.list' -o -name '*.sources' \) 2>/dev/null |
        xargs -r grep -lE 'debian(-security)?( |/|$)' |
        xargs -r cp -t "$root/etc/apt/sources.list.d"
    rm -rf "$root/var/cache/apt/archives" "$root/var/lib/apt/lists"
    mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial"
    tar -C "$root" -c . | docker import - $made_base >/dev/null
    rm -rf "$root"
}

step "the base image"
if ! docker image inspect $base >/dev/null 2>&1 && ! timeout 60 docker pull -q $base; then
    echo "no registry answers: debootstrap makes the base"
    base=$made_base
    if ! docker image inspect $base >/dev/null 2>&1 && ! make_base; then
        tail -n 5 "$FOLDER/debootstrap.log"
        fail "the base image"
        exit 1
    fi
fi

step "the image"
if ! docker build --network host --build-arg "BASE=$base" -f deploy/Dockerfile \
    -t "$HEDGEROW_IMAGE" . >"$FOLDER/build.log" 2>&1; then
    tail -n 30 "$FOLDER/build.log"
    fail "docker build"
    exit 1
fi
docker image inspect -f '{{.Size}}' "$HEDGEROW_IMAGE" | awk '{ printf "%.0f MB\n", $1 / 1e6 }'
inside() { docker run --rm --network none "$@"; }
expect "no setuid file" "" \
    "$(inside --user 0 "$HEDGEROW_IMAGE" find / -xdev -perm /6000 -type f)"
expect "not root" 65532 "$(inside "$HEDGEROW_IMAGE" id -u)"
expect "no compiler" "" "$(inside "$HEDGEROW_IMAGE" sh -c 'command -v gcc cc clang cmake')"

step "up"
(umask 022; cp "$HEDGEROW_TOKEN_FILE" "$HEDGEROW_LINK_TOKEN"; chmod 644 "$HEDGEROW_LINK_TOKEN")
export HEDGEROW_HTTP_PORT=$((20000 + RANDOM % 10000))
HTTP=http://127.0.0.1:$HEDGEROW_HTTP_PORT
"${compose[@]}" up -d --no-build >"$FOLDER/up.log" 2>&1 || {
    tail -n 30 "$FOLDER/up.log"
    fail "up"
}

healthy() { # COUNT of containers, all healthy
    local ids
    ids=$("${compose[@]}" ps -q) || return 1
    [ "$(xargs docker inspect -f '{{.State.Health.Status}}' <<<"$ids" | grep -cx healthy)" \
        -eq "$1" ]
}

wait_until "a coordinator and three workers are healthy" 30 healthy 4 ||
    "${compose[@]}" logs --tail 20
wait_until "3 workers are live" 20 has_workers 3

step "a job from the host, and one from inside"
wanted=$(sha256sum <README.md)
expect "curl" "$wanted" \
    "$(curl -sS --data-binary @README.md "$HTTP/v1/handlers/sha256:invoke")"
expect "the command in a container" "$wanted" \
    "$("${compose[@]}" exec -T coordinator hedgerow run sha256 - <README.md)"

step "five workers"
"${compose[@]}" up -d --no-build --scale worker=5 >"$FOLDER/up.log" 2>&1 || fail "scale"
wait_until "5 workers are live" 20 has_workers 5
wait_until "all are healthy" 30 healthy 6

step "down"
"${compose[@]}" stop -t 40 >"$FOLDER/stop.log" 2>&1 || fail "stop"
expect "each container ended well" "0" "$("${compose[@]}" ps -q |
    xargs docker inspect -f '{{.State.ExitCode}}' | sort -u)"
"${compose[@]}" down -v >"$FOLDER/down.log" 2>&1 || fail "down"
expect "no container is left" "" \
    "$(docker ps -aq --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")"

echo "$CHECKS checks, $FAILURES failed"
[ $FAILURES -eq 0 ]
exit $?
