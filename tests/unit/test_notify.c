/* SPDX-License-Identifier: MIT */
#include "common/sys/notify.h"

#include "tests/support/cunit_main.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A datagram socket with an abstract name that the kernel chooses. */
static int
supervisor_open(char name[128])
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = sizeof address.sun_family;
    CU_ASSERT_FATAL(bind(fd, (struct sockaddr *) &address, size) == 0);
    size = sizeof address;
    CU_ASSERT_FATAL(getsockname(fd, (struct sockaddr *) &address, &size) == 0);
    snprintf(name, 128, "@%.*s",
        (int) ((size_t) size - offsetof(struct sockaddr_un, sun_path) - 1),
        address.sun_path + 1);
    return fd;
}

/* GOAL    the supervisor receives exactly the lines, in one datagram. */
static void
notify_reaches_the_supervisor(void)
{
    char name[128];
    int fd = supervisor_open(name);
    setenv("NOTIFY_SOCKET", name, 1);
    ASSERT_I64_EQ(notify_send("READY=1\nX_HEDGEROW_HTTP=127.0.0.1:1\n"), ERR_OK);
    char got[128] = "";
    ssize_t size = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
    CU_ASSERT_TRUE(size > 0);
    ASSERT_STR_EQ(got, "READY=1\nX_HEDGEROW_HTTP=127.0.0.1:1\n");
    close(fd);
    CU_ASSERT_NOT_EQUAL(notify_send("READY=1\n"), ERR_OK);
}

static void
notify_without_supervisor_is_quiet(void)
{
    unsetenv("NOTIFY_SOCKET");
    ASSERT_I64_EQ(notify_send("READY=1\n"), ERR_OK);
    setenv("NOTIFY_SOCKET", "relative", 1);
    ASSERT_I64_EQ(notify_send("READY=1\n"), ERR_INVALID);
}

static const struct test tests[] = {
    TEST(notify_reaches_the_supervisor),
    TEST(notify_without_supervisor_is_quiet),
};
TEST_MAIN("notify", tests)
