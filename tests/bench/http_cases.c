/* SPDX-License-Identifier: MIT
 *
 * Send every case of http_cases.h to a server and print what it answers.
 *
 *     http_cases PORT        one line for each case: name TAB verdict
 *
 * A verdict is the statuses of all answers in their order ("200 404"), then "closed", "open"
 * or "waits" (open, and no answer at all), and "SMUGGLED" if the hidden request was
 * answered: for that a server must put the target into its answers, as ours and the nginx of
 * http_beside_nginx.sh do.
 */
#include "tests/support/http_cases.h"
#include "tests/support/http_client.h"

#define PATIENCE_MS 250

/* All that comes until the end, or until nothing comes any more. */
static void
read_all(struct client *client)
{
    const struct timeval patience = { .tv_usec = PATIENCE_MS * 1000 };
    CHECK(setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    while (client_fill(client)) {
    }
}

static void
print_verdict(const struct http_case *test, const struct client *client)
{
    const char *next = client->bytes;
    const char *end = client->bytes + client->size;
    unsigned answers_count = 0;
    printf("%s\t", test->name);
    while ((next = memmem(next, (size_t) (end - next), "HTTP/1.1 ", 9)) != NULL) {
        next += 9;
        if (*next >= '1' && *next <= '5') { /* and not the words of a problem */
            printf("%.3s ", next);
            answers_count++;
        }
    }
    const char *last = client->has_ended ? "closed" : answers_count > 0 ? "open" : "waits";
    bool is_smuggled = memmem(client->bytes, client->size, "/smuggled", 9) != NULL;
    printf("%s%s\n", last, is_smuggled ? " SMUGGLED" : "");
}

int
main(int argc, char **argv)
{
    unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (port == 0 || port > UINT16_MAX) {
        fprintf(stderr, "usage: http_cases PORT\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof http_cases / sizeof http_cases[0]; i++) {
        struct client client;
        char bytes[HTTP_CASE_AIMED_MAX];
        size_t size = http_case_aim(&http_cases[i], bytes);
        client_open(&client, (uint16_t) port);
        (void) client_send_sized(&client, bytes, size);
        read_all(&client);
        print_verdict(&http_cases[i], &client);
        client_close(&client);
    }
    return 0;
}
