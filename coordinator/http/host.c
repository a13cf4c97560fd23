/* SPDX-License-Identifier: MIT */
#include "coordinator/http/host.h"

#include <arpa/inet.h>

#define NAME_SIZE_MAX 256

/* "[::1]:8080" -> "::1", "h.:80" -> "h". */
static struct slice
name_of(struct slice host)
{
    if (host.size > 0 && host.at[0] == '[') {
        const char *end = memchr(host.at, ']', host.size);
        size_t size = end != NULL ? (size_t) (end - host.at) - 1 : 0;
        return (struct slice){ host.at + 1, size };
    }
    const char *colon = host.size > 0 ? memchr(host.at, ':', host.size) : NULL;
    if (colon != NULL) {
        host.size = (size_t) (colon - host.at);
    }
    if (host.size > 0 && host.at[host.size - 1] == '.') {
        host.size--; /* the root: the same name */
    }
    return host;
}

static bool
is_address(struct slice name)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t address[16];
    return slice_to_text(name, text, sizeof text) &&
           (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1);
}

static bool
is_localhost(struct slice name)
{
    static const struct slice local = { "localhost", 9 };
    if (name.size > local.size && name.at[name.size - local.size - 1] == '.') {
        size_t before_size = name.size - local.size;
        name = (struct slice){ name.at + before_size, local.size }; /* RFC 6761, 6.3 */
    }
    return slice_equal_nocase(name, local);
}

bool
host_is_ours(struct slice host, const char *names)
{
    struct slice name = name_of(host);
    struct slice rest = slice_of(names);
    struct slice each;
    if (name.size == 0) {
        return false;
    }
    while (slice_next(&rest, ',', &each)) {
        if (slice_equal_nocase(slice_trim(each), name)) {
            return true;
        }
    }
    return is_localhost(name) || is_address(name);
}
