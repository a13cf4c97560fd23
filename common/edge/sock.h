/* SPDX-License-Identifier: MIT
 *
 * common/edge/sock.h - look at sockets that a library keeps to itself.
 *
 * Which descriptor a connection has: no process has two TCP connections of one name, so the
 * process's own descriptors are searched for its two addresses.
 *
 * THREADS   any.
 * REJECTED  reading the descriptor out of the library's private structs.
 */
#ifndef COMMON_EDGE_SOCK_H
#define COMMON_EDGE_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* It is on this machine. */
bool sock_address_is_local(const struct sockaddr_storage *address);
/* For people: "host:port", or "local". */
void sock_address_text(const struct sockaddr_storage *address, char *text, size_t size);
/* A duplicate (close-on-exec) that the caller owns; -1: not found.  A system call or two for
 * each descriptor: once for a connection, not for each use. */
int sock_find_dup(const struct sockaddr_storage *local, const struct sockaddr_storage *remote);

enum sock_look {
    SOCK_NOTHING,
    SOCK_BYTES,
    SOCK_END
};

/* What a read would find; it takes nothing. */
enum sock_look sock_look(int fd);

#endif
