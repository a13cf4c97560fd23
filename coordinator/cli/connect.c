/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/connect.h"

#include "common/sys/token.h"

#include <string.h>

struct hedgerow_client *
connect_client(const struct options *options)
{
    struct token token;
    char text[TOKEN_SIZE_MAX + 1];
    struct hedgerow_client *client = hedgerow_client_new(options->server);
    if (client == NULL || options->token_file == NULL) {
        return client;
    }
    err_t err = token_load(options->token_file, &token);
    if (err != ERR_OK) {
        options_fail("the token file '%s': %s", options->token_file, err_text(err));
    }
    memcpy(text, token.bytes, token.size);
    text[token.size] = '\0';
    if (hedgerow_client_set_token(client, text) != 0) {
        options_fail("the token in '%s' is none: it has blanks or control characters",
            options->token_file);
    }
    return client;
}
