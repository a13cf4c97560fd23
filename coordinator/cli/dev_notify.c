/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/dev_notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DATAGRAM_SIZE 2048

struct dev_notify {
    struct loop_watch *watch;
    void (*on_notice)(void *user, pid_t pid, const char *lines);
    void *user;
    int fd;
    char name[64];
};

static void on_readable(void *user);

static err_t
notify_bind(struct dev_notify *notify)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = sizeof address.sun_family;
    int yes = 1;
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd < 0 ||
        setsockopt(notify->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0 ||
        bind(notify->fd, (struct sockaddr *) &address, size) != 0) {
        return err_from_errno(errno);
    }
    size = sizeof address;
    if (getsockname(notify->fd, (struct sockaddr *) &address, &size) != 0) {
        return err_from_errno(errno);
    }
    size_t name_size = (size_t) size - offsetof(struct sockaddr_un, sun_path) - 1;
    snprintf(notify->name, sizeof notify->name, "@%.*s", (int) name_size, address.sun_path + 1);
    return ERR_OK;
}

err_t
dev_notify_new(struct loop *loop, void (*on_notice)(void *user, pid_t pid, const char *lines),
    void *user, struct dev_notify **ret_notify)
{
    struct dev_notify *notify = calloc(1, sizeof *notify);
    if (notify == NULL) {
        return ERR_NO_MEMORY;
    }
    notify->on_notice = on_notice;
    notify->user = user;
    err_t err = notify_bind(notify);
    if (err == ERR_OK) {
        err = loop_watch_new(loop, notify->fd, on_readable, notify, &notify->watch);
    }
    if (err != ERR_OK) {
        dev_notify_free(notify);
        return err;
    }
    *ret_notify = notify;
    return ERR_OK;
}

void
dev_notify_free(struct dev_notify *notify)
{
    if (notify == NULL) {
        return;
    }
    if (notify->watch != NULL) {
        loop_watch_free(notify->watch);
    }
    if (notify->fd >= 0) {
        close(notify->fd);
    }
    free(notify);
}

const char *
dev_notify_name(const struct dev_notify *notify)
{
    return notify->name;
}

bool
dev_notify_value(const char *lines, const char *name, char *ret_value, size_t value_room)
{
    size_t name_size = strlen(name);
    for (const char *line = lines; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        size_t size = end != NULL ? (size_t) (end - line) : strlen(line);
        if (size > name_size && strncmp(line, name, name_size) == 0 && line[name_size] == '=') {
            size_t value_size = size - name_size - 1;
            if (value_size >= value_room) {
                return false;
            }
            memcpy(ret_value, line + name_size + 1, value_size);
            ret_value[value_size] = '\0';
            return true;
        }
        line = end != NULL ? end + 1 : NULL;
    }
    return false;
}

static void
on_readable(void *user)
{
    struct dev_notify *notify = user;
    char lines[DATAGRAM_SIZE];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec room = { .iov_base = lines, .iov_len = sizeof lines - 1 };
    struct msghdr message = { .msg_iov = &room,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control };
    ssize_t size = recvmsg(notify->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
        return;
    }
    lines[size] = '\0';
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET &&
        header->cmsg_type == SCM_CREDENTIALS) {
        struct ucred sender;
        memcpy(&sender, CMSG_DATA(header), sizeof sender);
        notify->on_notice(notify->user, sender.pid, lines);
    }
}
