/* SPDX-License-Identifier: MIT
 *
 * A configuration file of any bytes is accepted or refused in words; what is accepted is
 * within its ranges, and printed it reads back as the same.
 */
#include "common/edge/yaml.h"
#include "common/pure/check.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *file_bytes;
static size_t file_size;

static err_t
read_bytes(const char *path, settings_entry_fn *on_entry, void *user,
    struct settings_file_error *ret_error)
{
    (void) path;
    return yaml_parse(file_bytes, file_size, on_entry, user, ret_error);
}

static char *
print(const struct settings *settings, size_t *ret_size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_size);
    CHECK(out != NULL);
    settings_print(settings, SETTINGS_CW, /* with_origin= */ false, out);
    fclose(out);
    return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings settings;
    char *argv[] = { (char *) "program", (char *) "--config=fuzz" };
    struct settings_source source = { .program = SETTINGS_CW,
        .name = "program",
        .about = "",
        .argc = 2,
        .argv = argv,
        .read_file = read_bytes };
    file_bytes = (const char *) data;
    file_size = size;
    if (settings_load(&settings, &source) != ERR_OK) {
        CHECK(settings.problems_count > 0);
        return 0;
    }
    CHECK(settings.hedge_max_attempts >= 1);
    CHECK(settings.hedge_max_attempts <= 5);
    CHECK(settings.jobs_timeout.ns <= settings.jobs_timeout_max.ns);
    CHECK(settings.jobs_input_max <= 4 * 1024 * 1024);

    size_t first_size = 0;
    size_t second_size = 0;
    char *first = print(&settings, &first_size);
    file_bytes = first;
    file_size = first_size;
    CHECK(settings_load(&settings, &source) == ERR_OK);
    char *second = print(&settings, &second_size);
    CHECK(strcmp(first, second) == 0);
    free(first);
    free(second);
    return 0;
}
