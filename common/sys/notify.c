/* SPDX-License-Identifier: MIT */
#include "common/sys/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

err_t
notify_send(const char *lines)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || path[0] == '\0') {
        return ERR_OK;
    }
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || size >= sizeof address.sun_path) {
        return ERR_INVALID;
    }
    memcpy(address.sun_path, path, size);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* Linux's abstract names */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    socklen_t address_size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + size);
    err_t err = ERR_OK;
    if (sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *) &address,
            address_size) < 0) {
        err = err_from_errno(errno);
    }
    close(fd);
    return err;
}
