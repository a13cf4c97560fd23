/* SPDX-License-Identifier: MIT */
#include "coordinator/http/codec.h"
#include "tests/support/cunit_main.h"
#include "tests/support/http_cases.h"

#include <stdlib.h>

/* Of CODEC_LIMITS_DEFAULT. */
#define BODY_SIZE_MAX    (1024 * 1024)
#define LINE_SIZE_MAX    8192
#define HEADERS_SIZE_MAX 16384

/* Plays the connection: keeps what was not used, and shows it again with more. */
struct player {
    struct codec codec;
    uint8_t bytes[64 * 1024]; /* unread */
    size_t size;
    bool in_body;
    unsigned requests_count;
    uint64_t body_size; /* of all requests */
    uint64_t body_sum;  /* of the body's bytes, in their order */
};

static void
player_drop(struct player *player, size_t size)
{
    CHECK(size <= player->size);
    memmove(player->bytes, player->bytes + size, player->size - size);
    player->size -= size;
}

static bool
player_step(struct player *player)
{
    size_t used = 0;
    struct slice data = { 0 };
    enum codec_event event;
    if (!player->in_body) {
        event = codec_head(&player->codec, player->bytes, player->size);
        if (event == CODEC_HEAD) {
            player_drop(player, player->codec.head_size);
            player->in_body = true;
            return true;
        }
        return false;
    }
    event = codec_body(&player->codec, player->bytes, player->size, &used, &data);
    for (size_t i = 0; event == CODEC_BODY && i < data.size; i++) {
        player->body_sum = player->body_sum * 31 + (uint8_t) data.at[i];
    }
    player->body_size += event == CODEC_BODY ? data.size : 0;
    player_drop(player, used);
    if (event == CODEC_END) {
        player->requests_count++;
        player->in_body = false;
        codec_next(&player->codec);
    }
    return event == CODEC_END || event == CODEC_BODY;
}

static void
player_feed(struct player *player, const void *bytes, size_t size)
{
    CHECK(size <= sizeof player->bytes - player->size);
    memcpy(player->bytes + player->size, bytes, size);
    player->size += size;
    while (player_step(player)) {
    }
}

static void
player_outcome(const struct player *player, char *text, size_t room)
{
    if (player->codec.refusal != CODEC_NOT_REFUSED) {
        snprintf(text, room, "%s", codec_refusal_name(player->codec.refusal));
    } else {
        snprintf(text, room, "OK %u", player->requests_count);
    }
}

static struct player *
player_new(void)
{
    struct player *player = calloc(1, sizeof *player);
    CHECK(player != NULL);
    codec_init(&player->codec, &CODEC_LIMITS_DEFAULT);
    return player;
}

/* ---- tables -------------------------------------------------------------------------- */

static void
codec_each_case_ends_as_the_table_says(void)
{
    CU_ASSERT_TRUE(ARRAY_COUNT(http_cases) >= 60);
    for (unsigned i = 0; i < ARRAY_COUNT(http_cases); i++) {
        struct player *player = player_new();
        char outcome[64];
        player_feed(player, http_cases[i].bytes, http_cases[i].size);
        player_outcome(player, outcome, sizeof outcome);
        if (strcmp(outcome, http_cases[i].outcome) != 0) {
            printf("# %s\n", http_cases[i].name);
        }
        ASSERT_STR_EQ(outcome, http_cases[i].outcome);
        free(player);
    }
}

/* GOAL    C1: cuts do not matter.
 * METHOD  each case cut in two at every byte, and fed byte by byte. */
static void
codec_cuts_do_not_change_the_outcome(void)
{
    for (unsigned i = 0; i < ARRAY_COUNT(http_cases); i++) {
        const struct http_case *test = &http_cases[i];
        struct player *whole = player_new();
        player_feed(whole, test->bytes, test->size);
        for (size_t cut = 0; cut <= test->size; cut++) {
            struct player *player = player_new();
            char outcome[64];
            if (cut < test->size) {
                player_feed(player, test->bytes, cut);
                player_feed(player, test->bytes + cut, test->size - cut);
            }
            for (size_t at = 0; cut == test->size && at < test->size; at++) {
                player_feed(player, test->bytes + at, 1);
            }
            player_outcome(player, outcome, sizeof outcome);
            ASSERT_STR_EQ(outcome, test->outcome);
            CU_ASSERT_EQUAL(player->body_size, whole->body_size);
            CU_ASSERT_EQUAL(player->body_sum, whole->body_sum);
            free(player);
        }
        free(whole);
    }
}

/* A refusal comes with the byte that causes it, so a slow stranger cannot make us wait. */
static void
codec_refuses_at_the_byte_at_fault(void)
{
    struct player *player = player_new();
    player_feed(player, "GET /x HTTP/1.1\r\nHost: h\r\nX: a\x01", 32);
    CU_ASSERT_EQUAL(player->codec.refusal, CODEC_CONTROL_BYTE);
    player_feed(player, "\r\n\r\n", 4);
    CU_ASSERT_EQUAL(player->codec.refusal, CODEC_CONTROL_BYTE); /* C2 */
    CU_ASSERT_FALSE(codec_keeps_alive(&player->codec));
    free(player);
}

/* ---- limits -------------------------------------------------------------------------- */

static enum codec_refusal
refusal_of_line(size_t line_size)
{
    struct player *player = player_new();
    size_t target_size = line_size - strlen("GET  HTTP/1.1");
    char *target = malloc(target_size);
    CHECK(target != NULL);
    memset(target, 'a', target_size);
    target[0] = '/';
    player_feed(player, "GET ", 4);
    player_feed(player, target, target_size);
    player_feed(player, " HTTP/1.1\r\nHost: h\r\n\r\n", 22);
    enum codec_refusal refusal = player->codec.refusal;
    CU_ASSERT_EQUAL(player->requests_count, refusal == CODEC_NOT_REFUSED ? 1 : 0);
    free(target);
    free(player);
    return refusal;
}

static enum codec_refusal
refusal_of_headers(size_t headers_size)
{
    struct player *player = player_new();
    const size_t frame_size = strlen("Host: h\r\nX: \r\n\r\n");
    char *value = malloc(headers_size);
    CHECK(value != NULL);
    memset(value, 'a', headers_size);
    player_feed(player, "GET /x HTTP/1.1\r\nHost: h\r\nX: ", 29);
    player_feed(player, value, headers_size - frame_size);
    player_feed(player, "\r\n\r\n", 4);
    enum codec_refusal refusal = player->codec.refusal;
    CU_ASSERT_EQUAL(player->requests_count, refusal == CODEC_NOT_REFUSED ? 1 : 0);
    free(value);
    free(player);
    return refusal;
}

static void
codec_sizes_are_limited_to_the_byte(void)
{
    CU_ASSERT_EQUAL(refusal_of_line(LINE_SIZE_MAX), CODEC_NOT_REFUSED);
    CU_ASSERT_EQUAL(refusal_of_line(LINE_SIZE_MAX + 1), CODEC_LINE_TOO_LONG);
    CU_ASSERT_EQUAL(refusal_of_line(3 * LINE_SIZE_MAX), CODEC_LINE_TOO_LONG);
    CU_ASSERT_EQUAL(refusal_of_headers(HEADERS_SIZE_MAX), CODEC_NOT_REFUSED);
    CU_ASSERT_EQUAL(refusal_of_headers(HEADERS_SIZE_MAX + 1), CODEC_HEADERS_TOO_BIG);
}

static void
codec_headers_are_counted(void)
{
    for (unsigned extra = 0; extra <= 1; extra++) {
        struct player *player = player_new();
        player_feed(player, "GET /x HTTP/1.1\r\nHost: h\r\n", 26);
        for (unsigned i = 1; i < CODEC_HEADERS_MAX + extra; i++) {
            player_feed(player, "a:b\r\n", 5);
        }
        player_feed(player, "\r\n", 2);
        CU_ASSERT_EQUAL(
            player->codec.refusal, extra > 0 ? CODEC_HEADERS_TOO_MANY : CODEC_NOT_REFUSED);
        free(player);
    }
}

static enum codec_refusal
refusal_of_chunk(const char *before, char filler, size_t filler_size, const char *after)
{
    static const char head[] =
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct player *player = player_new();
    player_feed(player, head, sizeof head - 1);
    player_feed(player, before, strlen(before));
    for (size_t i = 0; i < filler_size; i++) {
        player_feed(player, &filler, 1);
    }
    player_feed(player, after, strlen(after));
    enum codec_refusal refusal = player->codec.refusal;
    free(player);
    return refusal;
}

static void
codec_chunk_framing_is_limited(void)
{
    const size_t extension_max = CODEC_EXTENSION_SIZE_MAX;
    CU_ASSERT_EQUAL(
        refusal_of_chunk("1;", 'a', extension_max, "\r\nx\r\n0\r\n\r\n"), CODEC_NOT_REFUSED);
    CU_ASSERT_EQUAL(refusal_of_chunk("1;", 'a', extension_max + 1, "\r\nx\r\n0\r\n\r\n"),
        CODEC_EXTENSION_TOO_BIG);
    CU_ASSERT_EQUAL(refusal_of_chunk("0\r\na:", 'b', CODEC_TRAILER_SIZE_MAX - 6, "\r\n\r\n"),
        CODEC_NOT_REFUSED);
    CU_ASSERT_EQUAL(refusal_of_chunk("0\r\na:", 'b', CODEC_TRAILER_SIZE_MAX, "\r\n\r\n"),
        CODEC_TRAILER_TOO_BIG);
    CU_ASSERT_EQUAL(refusal_of_chunk("0\r\na:b\r\n", '\x01', 1, ""), CODEC_BAD_TRAILER);
    CU_ASSERT_EQUAL(refusal_of_chunk("0\r\na:", '\x01', 1, ""), CODEC_BAD_TRAILER);
}

/* C3: a body of exactly the limit comes out whole, in chunks as well as by length. */
static void
codec_body_reaches_its_limit(void)
{
    static const char chunked[] =
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const char plain[] =
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n";
    static const char zeros[0x8000];
    for (unsigned is_chunked = 0; is_chunked <= 1; is_chunked++) {
        struct player *player = player_new();
        player_feed(player, is_chunked ? chunked : plain, strlen(is_chunked ? chunked : plain));
        for (size_t sent = 0; sent < BODY_SIZE_MAX; sent += sizeof zeros) {
            player_feed(player, "8000\r\n", is_chunked ? 6 : 0);
            player_feed(player, zeros, sizeof zeros);
            player_feed(player, "\r\n", is_chunked ? 2 : 0);
        }
        player_feed(player, "0\r\n\r\n", is_chunked ? 5 : 0);
        ASSERT_I64_EQ(player->requests_count, 1);
        ASSERT_I64_EQ(player->body_size, BODY_SIZE_MAX);
        free(player);
    }
}

/* ---- what a head says ---------------------------------------------------------------- */

static struct player *
play_head(const char *head)
{
    struct player *player = player_new();
    CU_ASSERT_EQUAL(
        codec_head(&player->codec, (const uint8_t *) head, strlen(head)), CODEC_HEAD);
    return player;
}

static void
codec_finds_headers_in_any_case(void)
{
    static const char head[] = "POST http://h/a/b?c=d HTTP/1.1\r\nhOsT: h\r\nX-A: \t one \t\r\n"
                               "x-a: two\r\nEmpty:\r\nExpect: 100-Continue\r\n\r\n";
    const uint8_t *bytes = (const uint8_t *) head;
    struct player *player = play_head(head);
    const struct codec *codec = &player->codec;
    struct slice value = SLICE("untouched");
    CU_ASSERT_EQUAL(codec_find(codec, bytes, SLICE("X-A"), &value), 2);
    CU_ASSERT_TRUE(slice_equal(value, SLICE("one")));
    CU_ASSERT_EQUAL(codec_find(codec, bytes, SLICE("empty"), &value), 1);
    CU_ASSERT_EQUAL(value.size, 0);
    CU_ASSERT_EQUAL(codec_find(codec, bytes, SLICE("X-B"), &value), 0);
    CU_ASSERT_TRUE(slice_equal(codec_slice(bytes, codec->target), SLICE("/a/b?c=d")));
    CU_ASSERT_TRUE(codec->expects_continue);
    CU_ASSERT_FALSE(codec_has_body(codec));
    ASSERT_STR_EQ(codec_method_text(codec->method), "POST");
    free(player);
}

static void
codec_knows_who_keeps_the_connection(void)
{
    static const struct {
        const char *head;
        bool keeps;
    } heads[] = {
        { "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", true },
        { "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false },
        { "GET /x HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, CLOSE\r\n\r\n", false },
        { "GET /x HTTP/1.1\r\nHost: h\r\nConnection: x\r\nConnection: close\r\n\r\n", false },
        { "GET /x HTTP/1.0\r\n\r\n", false },
        { "GET /x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(heads); i++) {
        struct player *player = play_head(heads[i].head);
        CU_ASSERT_EQUAL(codec_keeps_alive(&player->codec), heads[i].keeps);
        free(player);
    }
    struct player *player = play_head("GET /x HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
    CU_ASSERT_FALSE(player->codec.expects_continue);
    free(player);
}

/* What may be read past the codec, straight from the socket. */
static void
codec_plain_size_leaves_framing_alone(void)
{
    struct player *player =
        play_head("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    CU_ASSERT_EQUAL(codec_body_plain_size(&player->codec), 9);
    codec_body_took(&player->codec, 4);
    CU_ASSERT_EQUAL(codec_body_plain_size(&player->codec), 5);
    free(player);
    player = play_head("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    CU_ASSERT_EQUAL(codec_body_plain_size(&player->codec), 0);
    size_t used = 0;
    struct slice data;
    const uint8_t *chunk = (const uint8_t *) "a\r\n";
    CU_ASSERT_EQUAL(codec_body(&player->codec, chunk, 3, &used, &data), CODEC_MORE);
    CU_ASSERT_EQUAL(codec_body_plain_size(&player->codec), 10);
    codec_body_took(&player->codec, 10);
    CU_ASSERT_EQUAL(codec_body_plain_size(&player->codec), 0);
    chunk = (const uint8_t *) "\r\n0\r\n\r\n";
    CU_ASSERT_EQUAL(codec_body(&player->codec, chunk, 7, &used, &data), CODEC_END);
    CU_ASSERT_EQUAL(player->codec.body_size, 10);
    free(player);
}

static void
codec_each_refusal_has_words(void)
{
    for (unsigned i = 0; i <= CODEC_TRAILER_TOO_BIG; i++) {
        enum codec_refusal refusal = (enum codec_refusal) i;
        unsigned status = codec_refusal_status(refusal);
        CU_ASSERT_TRUE(status == 200 || (status >= 400 && status < 600));
        CU_ASSERT_TRUE(strlen(codec_refusal_text(refusal)) > 0);
        CU_ASSERT_TRUE(strlen(codec_refusal_name(refusal)) > 0);
    }
}

static const struct test tests[] = {
    TEST(codec_each_case_ends_as_the_table_says),
    TEST(codec_cuts_do_not_change_the_outcome),
    TEST(codec_refuses_at_the_byte_at_fault),
    TEST(codec_sizes_are_limited_to_the_byte),
    TEST(codec_headers_are_counted),
    TEST(codec_chunk_framing_is_limited),
    TEST(codec_body_reaches_its_limit),
    TEST(codec_finds_headers_in_any_case),
    TEST(codec_knows_who_keeps_the_connection),
    TEST(codec_plain_size_leaves_framing_alone),
    TEST(codec_each_refusal_has_words),
};
TEST_MAIN("codec", tests)
