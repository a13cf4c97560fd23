/* SPDX-License-Identifier: MIT
 *
 * Whatever answers at an address may send anything as a job: it becomes a view and a page,
 * or is refused, and no control character reaches the terminal.
 */
#include "coordinator/cli/timeline.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct job_view view;
    struct hedgerow_reply reply = { .body = malloc(size + 1), .body_size = size };
    if (reply.body == NULL) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        reply.body[i] = data[i];
    }
    reply.body[size] = '\0';
    char *page = NULL;
    size_t page_size = 0;
    FILE *stream = open_memstream(&page, &page_size);
    if (stream != NULL && job_view_parse(&reply, &view)) {
        struct timeline_style style = { .width = (unsigned) size % 300, .is_utf8 = false };
        timeline_print(&view, &style, stream);
        (void) job_view_outcome(&view);
    }
    if (stream != NULL) {
        fclose(stream);
    }
    for (size_t i = 0; i < page_size; i++) {
        if (((unsigned char) page[i] < 0x20 && page[i] != '\n') || page[i] == 0x7f) {
            abort();
        }
    }
    free(page);
    free(reply.body);
    return 0;
}
