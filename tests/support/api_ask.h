/* SPDX-License-Identifier: MIT
 *
 * tests/support/api_ask.h - what the tests of the front end say and expect.
 */
#ifndef TESTS_SUPPORT_API_ASK_H
#define TESTS_SUPPORT_API_ASK_H

#include "tests/support/api_fake.h"
#include "tests/support/cunit_main.h"

#define HOST   "Host: h\r\n"
#define JOB_ID "01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44"

#define GET(target)  "GET " target " HTTP/1.1\r\n" HOST "\r\n"
#define POST(target) "POST " target " HTTP/1.1\r\n" HOST "\r\n"
/* headers: each with its CRLF. */
#define INVOKE(handler, headers) \
    "POST /v1/handlers/" handler ":invoke HTTP/1.1\r\n" HOST headers "\r\n"

#define HOLD  INVOKE("hold", "")
#define LIVEZ GET("/livez")

static inline void
client_expect(struct client *client, int status)
{
    struct answer answer = client_answer(client);
    ASSERT_I64_EQ(answer.status, status);
    answer_free(&answer);
}

/* One request on a connection of its own; its answer is the caller's to free. */
static inline struct answer
fake_ask_status(const struct fake *fake, const char *request, int status)
{
    struct answer answer = fake_ask(fake, request);
    if (answer.status != status) {
        printf("# %s# %s\n", request, answer.body != NULL ? answer.body : "");
    }
    ASSERT_I64_EQ(answer.status, status);
    return answer;
}

/* text: part of the body. */
static inline void
fake_expect(const struct fake *fake, const char *request, int status, const char *text)
{
    struct answer answer = fake_ask_status(fake, request, status);
    CU_ASSERT_TRUE(answer_has(&answer, text));
    answer_free(&answer);
}

static inline void
answer_expect_header(struct answer *answer, const char *name, const char *value)
{
    const char *found = answer_header(answer, name);
    ASSERT_STR_EQ(found != NULL ? found : "(none)", value);
}

#endif
