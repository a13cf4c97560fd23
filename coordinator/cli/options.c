/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/options.h"

#include "common/pure/duration.h"
#include "common/pure/nearest.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_LISTS_MAX 8

enum {
    KEY_JSON = 1000,
    KEY_NO_COLOR,
    KEY_TOKEN_FILE
};

static const struct argp_option common_options[] = {
    { "server", 's', "URL", 0,
        "Where the coordinator is (HEDGEROW_SERVER; else http://127.0.0.1:8080)", 0 },
    { "token-file", KEY_TOKEN_FILE, "FILE", 0,
        "File with your token for the API (HEDGEROW_API_TOKEN_FILE)", 0 },
    { "output", 'o', "FORMAT", 0,
        "What to print: raw, table, json, jsonl, id or none, as far as it fits", 0 },
    { "json", KEY_JSON, NULL, 0, "The same as -o json", 0 },
    { "quiet", 'q', NULL, 0, "Only errors on stderr", 0 },
    { "verbose", 'v', NULL, 0, "Say more on stderr", 0 },
    { "no-color", KEY_NO_COLOR, NULL, 0, "No colours (also NO_COLOR=1)", 0 },
    { 0 },
};

static const char *const output_names[] = {
    [OUTPUT_RAW] = "raw",
    [OUTPUT_TABLE] = "table",
    [OUTPUT_JSON] = "json",
    [OUTPUT_JSONL] = "jsonl",
    [OUTPUT_ID] = "id",
    [OUTPUT_NONE] = "none",
    NULL,
};

void
options_fail(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    out_error("%s", text);
    out_hint("See '%s --help'.", out_command());
    exit(CLI_USAGE);
}

void
options_fail_choice(const char *what, const char *word, const char *const *known)
{
    struct nearest nearest;
    nearest_init(&nearest, word);
    char list[512] = "";
    for (unsigned i = 0; known[i] != NULL; i++) {
        nearest_offer(&nearest, known[i]);
        size_t size = strlen(list);
        const char *comma = i == 0 ? "" : known[i + 1] == NULL ? " or " : ", ";
        snprintf(list + size, sizeof list - size, "%s%s", comma, known[i]);
    }
    const char *meant = nearest_word(&nearest);
    if (meant != NULL) {
        out_error("%s: '%s' is not known; did you mean '%s'?", what, word, meant);
    } else {
        out_error("%s: '%s' is not known", what, word);
    }
    out_hint("It may be %s.", list);
    exit(CLI_USAGE);
}

static void
set_output(struct options *options, const char *name)
{
    const char *allowed[ARRAY_COUNT(output_names)];
    unsigned count = 0;
    for (unsigned i = 0; output_names[i] != NULL; i++) {
        if ((options->outputs & OUTPUT_BIT(i)) == 0) {
            continue;
        }
        if (strcmp(output_names[i], name) == 0) {
            options->output = (enum output) i;
            return;
        }
        allowed[count++] = output_names[i];
    }
    allowed[count] = NULL;
    options_fail_choice("--output", name, allowed);
}

static error_t
on_common(int key, char *value, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 's': options->server = value; return 0;
    case KEY_TOKEN_FILE: options->token_file = value; return 0;
    case 'o': set_output(options, value); return 0;
    case KEY_JSON: set_output(options, "json"); return 0;
    case 'v': options->is_verbose = true; return 0;
    case KEY_NO_COLOR: out_set_color_off(); return 0;
    case 'q':
        options->is_quiet = true;
        out_set_quiet(true);
        return 0;
    case ARGP_KEY_INIT: {
        const char *server = getenv("HEDGEROW_SERVER");
        const char *token_file = getenv("HEDGEROW_API_TOKEN_FILE");
        options->token_file = token_file != NULL && token_file[0] != '\0' ? token_file : NULL;
        options->server =
            server != NULL && server[0] != '\0' ? server : HEDGEROW_SERVER_DEFAULT;
        return 0;
    }
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp options_argp = {
    .options = common_options,
    .parser = on_common,
};

/* ---- flags that nobody knows ------------------------------------------------------------- */

static unsigned
option_lists(const struct argp *argp, const struct argp_option *lists[OPTION_LISTS_MAX])
{
    static const struct argp_option of_argp[] = {
        { "help", '?', NULL, 0, NULL, 0 },
        { "usage", 1, NULL, 0, NULL, 0 },
        { 0 },
    };
    unsigned count = 0;
    lists[count++] = of_argp;
    if (argp->options != NULL) {
        lists[count++] = argp->options;
    }
    for (const struct argp_child *child = argp->children;
         child != NULL && child->argp != NULL && count < OPTION_LISTS_MAX; child++) {
        lists[count++] = child->argp->options;
    }
    return count;
}

static bool
option_is_end(const struct argp_option *option)
{
    return option->name == NULL && option->key == 0 && option->doc == NULL;
}

/* The option of this long name, or the only one that begins so; or the nearest to say. */
static const struct argp_option *
find_long(const struct argp *argp, const char *name, const char **ret_meant)
{
    const struct argp_option *lists[OPTION_LISTS_MAX];
    unsigned count = option_lists(argp, lists);
    const struct argp_option *found = NULL;
    unsigned prefixes_count = 0;
    struct nearest nearest;
    nearest_init(&nearest, name);
    for (unsigned i = 0; i < count; i++) {
        for (const struct argp_option *each = lists[i]; !option_is_end(each); each++) {
            if (each->name == NULL || strcmp(each->name, name) == 0) {
                if (each->name != NULL) {
                    return each;
                }
                continue;
            }
            if (strncmp(each->name, name, strlen(name)) == 0) {
                found = each;
                prefixes_count++;
            }
            if ((each->flags & OPTION_HIDDEN) == 0) {
                nearest_offer(&nearest, each->name);
            }
        }
    }
    *ret_meant = nearest_word(&nearest);
    return prefixes_count == 1 ? found : NULL;
}

static const struct argp_option *
find_short(const struct argp *argp, char letter)
{
    const struct argp_option *lists[OPTION_LISTS_MAX];
    unsigned count = option_lists(argp, lists);
    for (unsigned i = 0; i < count; i++) {
        for (const struct argp_option *each = lists[i]; !option_is_end(each); each++) {
            if (each->key == letter) {
                return each;
            }
        }
    }
    return NULL;
}

/* True when the flag takes the next word of the command line as its value. */
static bool
check_long(const struct argp *argp, const char *word)
{
    char name[64];
    const char *equals = strchr(word, '=');
    size_t size = equals != NULL ? (size_t) (equals - word) : strlen(word);
    snprintf(name, sizeof name, "%.*s", (int) size, word);
    const char *meant = NULL;
    const struct argp_option *option = find_long(argp, name, &meant);
    if (option == NULL && meant != NULL) {
        options_fail("unknown flag '--%s'; did you mean '--%s'?", name, meant);
    }
    if (option == NULL) {
        options_fail("unknown flag '--%s'", name);
    }
    bool takes = option->arg != NULL && (option->flags & OPTION_ARG_OPTIONAL) == 0;
    return takes && equals == NULL;
}

static bool
check_short(const struct argp *argp, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        const struct argp_option *option = find_short(argp, *letters);
        if (option == NULL) {
            options_fail("unknown flag '-%c'", *letters);
        }
        if (option->arg != NULL) {
            return letters[1] == '\0' && (option->flags & OPTION_ARG_OPTIONAL) == 0;
        }
    }
    return false;
}

static void
check_flags(const struct argp *argp, int argc, char **argv)
{
    static char help_flag[] = "--help";
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool takes_next = false;
        if (strcmp(word, "--") == 0) {
            return;
        }
        if (strcmp(word, "-h") == 0) { /* argp's own is -? */
            argv[i] = help_flag;
        } else if (strncmp(word, "--", 2) == 0) {
            takes_next = check_long(argp, word + 2);
        } else if (word[0] == '-' && word[1] != '\0') {
            takes_next = check_short(argp, word + 1);
        }
        if (takes_next && i + 1 >= argc) {
            options_fail("%s needs a value", word);
        }
        i += takes_next;
    }
}

void
options_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    argp_err_exit_status = CLI_USAGE;
    (void) setenv("ARGP_HELP_FMT", "no-dup-args-note,rmargin=90", /* overwrite= */ 0);
    check_flags(argp, argc, argv);
    error_t error = argp_parse(argp, argc, argv, 0, NULL, input);
    if (error != 0) {
        options_fail("the command line cannot be read: %s", strerror(error));
    }
}

/* ---- values ------------------------------------------------------------------------------ */

duration_t
options_duration(const char *flag, const char *text)
{
    duration_t duration;
    const char *why = NULL;
    if (duration_parse(text, strlen(text), &duration, &why) == ERR_OK) {
        return duration;
    }
    out_error("%s: '%s' is not a time%s%s", flag, text, why != NULL ? ": " : "",
        why != NULL ? why : "");
    out_hint("Write a number and a unit, such as 300ms, 10s or 1m30s.");
    exit(CLI_USAGE);
}

unsigned
options_count(const char *flag, const char *text, unsigned max)
{
    char *end = NULL;
    unsigned long count = strtoul(text, &end, 10);
    bool is_number = text[0] >= '0' && text[0] <= '9' && *end == '\0';
    if (!is_number || count < 1 || count > max) {
        options_fail("%s: '%s' is not a number from 1 to %u", flag, text, max);
    }
    return (unsigned) count;
}
