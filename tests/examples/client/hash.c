/* SPDX-License-Identifier: MIT
 *
 * hash.c - hash a text on whichever worker is fastest.
 *
 *     cc hash.c $(pkg-config --cflags --libs hedgerow) -o hash
 *     ./hash hello                     HEDGEROW_SERVER says where, unless it is this machine
 */
#include <hedgerow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
    const char *text = argc > 1 ? argv[1] : "";
    struct hedgerow_client *client = hedgerow_client_new(getenv("HEDGEROW_SERVER"));
    if (client == NULL) {
        return EXIT_FAILURE;
    }
    struct hedgerow_call call = HEDGEROW_CALL_INIT;
    call.handler = "sha256";
    call.input = text;
    call.input_size = strlen(text);
    call.timeout_ms = 2000;
    call.hedge = HEDGEROW_HEDGE_AFTER; /* a second copy, if the first takes so long */
    call.hedge_delay_us = 20000;

    struct hedgerow_reply reply;
    enum hedgerow_outcome outcome = hedgerow_invoke(client, &call, &reply);
    if (outcome == HEDGEROW_OK) {
        fwrite(reply.body, 1, reply.body_size, stdout);
    } else {
        fprintf(stderr, "%s: %s\n", hedgerow_outcome_text(outcome), reply.message);
    }
    hedgerow_reply_fini(&reply);
    hedgerow_client_free(client);
    return outcome == HEDGEROW_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
