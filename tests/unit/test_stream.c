/* SPDX-License-Identifier: MIT */
#include "common/edge/stream.h"

#include "tests/support/cunit_main.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Both ends of a connection, in this process: what sock.h must not mix up. */
struct pair {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct stream_listener *listener;
    struct stream_dialer *dialer;
    struct stream *near; /* dialed */
    struct stream *far;  /* accepted */
    unsigned gone_count;
};

static void
put(struct pair *pair, struct stream **where, struct stream *stream)
{
    pthread_mutex_lock(&pair->mutex);
    *where = stream;
    pthread_cond_signal(&pair->changed);
    pthread_mutex_unlock(&pair->mutex);
}

static void
on_accepted(void *user, struct stream *stream)
{
    struct pair *pair = user;
    put(pair, &pair->far, stream);
}

static void
on_dialed(void *user, err_t err, struct stream *stream)
{
    struct pair *pair = user;
    CHECK(err == ERR_OK);
    put(pair, &pair->near, stream);
}

static void
on_sent(void *user)
{
    (void) user;
}

static void
on_broken(void *user, err_t why)
{
    (void) user;
    (void) why;
}

static void
on_gone(void *user)
{
    struct pair *pair = user;
    pthread_mutex_lock(&pair->mutex);
    pair->gone_count++;
    pthread_cond_signal(&pair->changed);
    pthread_mutex_unlock(&pair->mutex);
}

static struct pair *
pair_new(bool is_ipc)
{
    struct pair *pair = calloc(1, sizeof *pair);
    CHECK(pair != NULL);
    pthread_mutex_init(&pair->mutex, NULL);
    pthread_cond_init(&pair->changed, NULL);
    char url[64] = "tcp://127.0.0.1:0";
    if (is_ipc) {
        snprintf(url, sizeof url, "abstract://hedgerow-test-stream-%d", (int) getpid());
    }
    CHECK(stream_listener_new(url, on_accepted, pair, &pair->listener) == ERR_OK);
    if (!is_ipc) {
        snprintf(url, sizeof url, "tcp://127.0.0.1:%u", stream_listener_port(pair->listener));
    }
    CHECK(stream_dialer_new(url, on_dialed, pair, &pair->dialer) == ERR_OK);
    stream_dialer_dial(pair->dialer);
    pthread_mutex_lock(&pair->mutex);
    while (pair->near == NULL || pair->far == NULL) {
        pthread_cond_wait(&pair->changed, &pair->mutex);
    }
    pthread_mutex_unlock(&pair->mutex);
    const struct stream_events events = {
        .user = pair, .on_sent = on_sent, .on_broken = on_broken, .on_gone = on_gone
    };
    stream_bind(pair->near, &events);
    stream_bind(pair->far, &events);
    return pair;
}

/* The streams are closed. */
static void
pair_free(struct pair *pair)
{
    pthread_mutex_lock(&pair->mutex);
    while (pair->gone_count < 2) {
        pthread_cond_wait(&pair->changed, &pair->mutex);
    }
    pthread_mutex_unlock(&pair->mutex);
    stream_dialer_free(pair->dialer);
    stream_listener_free(pair->listener);
    pthread_cond_destroy(&pair->changed);
    pthread_mutex_destroy(&pair->mutex);
    free(pair);
}

static void
wait_readable(const struct stream *stream)
{
    struct pollfd each = { .fd = stream_fd(stream), .events = POLLIN };
    CHECK(poll(&each, 1, 20000) == 1);
}

/* Exactly size bytes, in pieces of at most piece_size. */
static void
read_all(struct stream *stream, uint8_t *bytes, size_t size, size_t piece_size)
{
    size_t got_size = 0;
    while (got_size < size) {
        size_t left_size = size - got_size;
        size_t taken_size = 0;
        wait_readable(stream);
        CHECK(stream_is_readable(stream));
        err_t err = stream_read(stream, bytes + got_size,
            left_size < piece_size ? left_size : piece_size, &taken_size);
        ASSERT_I64_EQ(err, ERR_OK);
        got_size += taken_size;
    }
    CU_ASSERT_FALSE(stream_is_readable(stream));
    size_t none;
    ASSERT_I64_EQ(stream_read(stream, bytes, size, &none), ERR_AGAIN);
}

static void
exchange(bool is_ipc)
{
    static const uint8_t hello[] = "what is sent arrives";
    uint8_t got[sizeof hello];
    struct pair *pair = pair_new(is_ipc);
    CU_ASSERT_FALSE(stream_is_readable(pair->far));
    for (unsigned i = 0; i < 3; i++) { /* also after a read that found nothing */
        CU_ASSERT_TRUE(stream_send(pair->near, hello, sizeof hello));
        read_all(pair->far, got, sizeof got, i == 0 ? sizeof got : 3 + i);
        CU_ASSERT(memcmp(got, hello, sizeof hello) == 0);
        CU_ASSERT_TRUE(stream_send(pair->far, hello, sizeof hello));
        read_all(pair->near, got, sizeof got, 7);
    }
    size_t none;
    stream_shut(pair->near); /* S4, at both ends */
    wait_readable(pair->near);
    ASSERT_I64_EQ(stream_read(pair->near, got, sizeof got, &none), ERR_CLOSED);
    wait_readable(pair->far);
    CU_ASSERT_TRUE(stream_is_readable(pair->far));
    ASSERT_I64_EQ(stream_read(pair->far, got, sizeof got, &none), ERR_CLOSED);
    CU_ASSERT_FALSE(stream_send(pair->near, hello, sizeof hello));
    stream_close(pair->near);
    stream_close(pair->far);
    pair_free(pair);
}

/* GOAL    bytes, their absence and the end are told apart, and the descriptor shows each.
 * METHOD  tcp is read directly, ipc by way of a relay: the same promises. */
static void
stream_reads_what_came_and_the_end(void)
{
    exchange(/* is_ipc= */ false);
    exchange(/* is_ipc= */ true);
}

/* GOAL    what waits for a tcp stream waits for its own socket, not for a thread of NNG. */
static void
stream_tcp_descriptor_is_the_socket(void)
{
    struct pair *pair = pair_new(/* is_ipc= */ false);
    int type = 0;
    socklen_t size = sizeof type;
    ASSERT_I64_EQ(getsockopt(stream_fd(pair->near), SOL_SOCKET, SO_TYPE, &type, &size), 0);
    ASSERT_I64_EQ(type, SOCK_STREAM);
    struct sockaddr_storage near = { 0 };
    struct sockaddr_storage far = { 0 };
    socklen_t near_size = sizeof near;
    socklen_t far_size = sizeof far;
    CHECK(getsockname(stream_fd(pair->near), (struct sockaddr *) &near, &near_size) == 0);
    CHECK(getpeername(stream_fd(pair->far), (struct sockaddr *) &far, &far_size) == 0);
    CU_ASSERT(near_size == far_size && memcmp(&near, &far, near_size) == 0);
    stream_close(pair->near);
    stream_close(pair->far);
    pair_free(pair);
}

/* GOAL    the peer's end is heard behind its last bytes. */
static void
stream_last_bytes_come_before_the_end(void)
{
    static const uint8_t last[] = "goodbye";
    uint8_t got[sizeof last];
    size_t got_size = 0;
    for (int is_ipc = 0; is_ipc <= 1; is_ipc++) {
        struct pair *pair = pair_new(is_ipc != 0);
        CU_ASSERT_TRUE(stream_send(pair->near, last, sizeof last));
        stream_close(pair->near);
        wait_readable(pair->far);
        ASSERT_I64_EQ(stream_read(pair->far, got, sizeof got, &got_size), ERR_OK);
        CU_ASSERT(got_size == sizeof last && memcmp(got, last, sizeof last) == 0);
        wait_readable(pair->far);
        ASSERT_I64_EQ(stream_read(pair->far, got, sizeof got, &got_size), ERR_CLOSED);
        stream_close(pair->far);
        pair_free(pair);
    }
}

static const struct test tests[] = {
    TEST(stream_reads_what_came_and_the_end),
    TEST(stream_tcp_descriptor_is_the_socket),
    TEST(stream_last_bytes_come_before_the_end),
};
TEST_MAIN("stream", tests)
