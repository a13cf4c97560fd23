/* SPDX-License-Identifier: MIT */
#include "common/edge/sock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
sock_address_is_local(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *) address;
        return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
    }
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *) address;
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
    }
    return address->ss_family == AF_UNIX;
}

void
sock_address_text(const struct sockaddr_storage *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *) address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(text, size, "%s:%u", host, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *) address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(text, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        snprintf(text, size, "local");
    }
}

/* ---- the descriptor -------------------------------------------------------------------- */

/* Without what the kernel adds to a link-local address. */
static bool
is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family) {
        return false;
    }
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *) a;
        const struct sockaddr_in *other = (const void *) b;
        return v4->sin_port == other->sin_port && v4->sin_addr.s_addr == other->sin_addr.s_addr;
    }
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *) a;
        const struct sockaddr_in6 *other = (const void *) b;
        return v6->sin6_port == other->sin6_port &&
               memcmp(&v6->sin6_addr, &other->sin6_addr, sizeof v6->sin6_addr) == 0;
    }
    return false;
}

static bool
is_between(int fd, const struct sockaddr_storage *local, const struct sockaddr_storage *remote)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    if (getpeername(fd, (struct sockaddr *) &address, &size) != 0 ||
        !is_same(&address, remote)) {
        return false;
    }
    size = sizeof address;
    return getsockname(fd, (struct sockaddr *) &address, &size) == 0 &&
           is_same(&address, local);
}

int
sock_find_dup(const struct sockaddr_storage *local, const struct sockaddr_storage *remote)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return -1;
    }
    int found = -1;
    const struct dirent *entry;
    while (found < 0 && (entry = readdir(folder)) != NULL) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && is_between((int) fd, local, remote)) {
            found = fcntl((int) fd, F_DUPFD_CLOEXEC, 0);
        }
    }
    closedir(folder);
    return found;
}

enum sock_look
sock_look(int fd)
{
    uint8_t byte;
    ssize_t got = recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0) {
        return SOCK_BYTES;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? SOCK_NOTHING : SOCK_END;
}
