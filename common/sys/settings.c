/* SPDX-License-Identifier: MIT */
#include "common/sys/settings.h"

#include "common/pure/nearest.h"
#include "common/sys/log.h"
#include "common/sys/settings_value.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX          "HEDGEROW_"
#define EXEC_KEY        "handlers.exec"
#define EXEC_VARIABLE   "HEDGEROW_HANDLERS_EXEC"
#define EXEC_SIZE_MAX   63
#define NAME_SIZE_MAX   96
#define EXIT_CODE_USAGE 2

/* Variables of the same prefix that are not settings: the command's, what a handler's
 * process finds in its environment, and what the tests tell their scripts. */
static const char *const other_variables[] = { "HEDGEROW_SERVER", "HEDGEROW_API_TOKEN_FILE",
    "HEDGEROW_CONTEXT", "HEDGEROW_OUTPUT", "HEDGEROW_JOB_ID", "HEDGEROW_ATTEMPT",
    "HEDGEROW_REMAINING_MS", "HEDGEROW_HANDLER", "HEDGEROW_BIN", "HEDGEROW_SOURCE",
    "HEDGEROW_PRESET", "HEDGEROW_SANITIZE" };

/* One value on its way in: who says it, how the saying is called, what it says. */
struct input {
    struct settings *settings;
    const struct settings_source *source;
    struct settings_origin origin;
    const char *name; /* "jobs.timeout", "HEDGEROW_JOBS_TIMEOUT", "--jobs-timeout" */
};

static void __attribute__((format(printf, 2, 3)))
problem(const struct input *input, const char *format, ...)
{
    struct settings *settings = input->settings;
    uint32_t index = settings->problems_count++;
    if (index >= SETTINGS_PROBLEMS_MAX) {
        return;
    }
    char *text = settings->problems[index];
    int size = 0;
    if (input->origin.from == SETTINGS_FROM_FILE) {
        size =
            input->origin.line > 0
                ? snprintf(text, SETTINGS_PROBLEM_SIZE_MAX / 2,
                      "%s:%u: ", settings->config_file, input->origin.line)
                : snprintf(text, SETTINGS_PROBLEM_SIZE_MAX / 2, "%s: ", settings->config_file);
    }
    size_t used = size < 0 ? 0 : (size_t) size;
    used = used < SETTINGS_PROBLEM_SIZE_MAX / 2 ? used : SETTINGS_PROBLEM_SIZE_MAX / 2 - 1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, SETTINGS_PROBLEM_SIZE_MAX - used, format, arguments);
    va_end(arguments);
}

/* Copy into the settings; "" and a problem when there is no room. */
static const char *
keep(const struct input *input, const char *text)
{
    struct settings *settings = input->settings;
    size_t size = strlen(text) + 1;
    if (size > SETTINGS_TEXT_SIZE_MAX - settings->text_size) {
        problem(input, "%s: all values together are longer than %d bytes", input->name,
            SETTINGS_TEXT_SIZE_MAX);
        return "";
    }
    char *kept = settings->text + settings->text_size;
    memcpy(kept, text, size);
    settings->text_size += (uint32_t) size;
    return kept;
}

/* ---- one value ---------------------------------------------------------------------- */

static void
take_row(const struct input *input, size_t id, const char *value)
{
    struct settings_origin *origin = &input->settings->origins[id];
    if (input->origin.from == SETTINGS_FROM_FILE && origin->from == SETTINGS_FROM_FILE) {
        problem(input, "%s: given before, in line %u", input->name, origin->line);
        return;
    }
    char why[SETTINGS_PROBLEM_SIZE_MAX];
    const char *kept = keep(input, value);
    if (!settings_value_set(&settings_rows[id], kept, input->settings, why)) {
        problem(input, "%s: %.200s", input->name, why);
        return;
    }
    *origin = input->origin;
    origin->text = kept;
}

static bool
is_handler_name(const char *name, size_t size)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    return size > 0 && size <= EXEC_SIZE_MAX && strspn(name, letters) >= size;
}

static void
take_exec(const struct input *input, const char *name, size_t name_size, const char *command)
{
    struct settings *settings = input->settings;
    if (!is_handler_name(name, name_size)) {
        problem(input, "%s: '%.*s' is not a handler's name (1 to %d of A-Z a-z 0-9 _ . -)",
            input->name, (int) (name_size < 80 ? name_size : 80), name, EXEC_SIZE_MAX);
        return;
    }
    if (command[strspn(command, " \t\n")] == '\0') {
        problem(input, "%s: no command for '%.*s'", input->name, (int) name_size, name);
        return;
    }
    uint32_t index = 0;
    while (index < settings->execs_count &&
           (strncmp(settings->execs[index].name, name, name_size) != 0 ||
               settings->execs[index].name[name_size] != '\0')) {
        index++;
    }
    if (index == SETTINGS_EXECS_MAX) {
        problem(input, "%s: more than %d commands", input->name, SETTINGS_EXECS_MAX);
        return;
    }
    struct settings_exec *exec = &settings->execs[index];
    if (index == settings->execs_count) {
        char copy[EXEC_SIZE_MAX + 1];
        snprintf(copy, sizeof copy, "%.*s", (int) name_size, name);
        *exec = (struct settings_exec){ .name = keep(input, copy) };
        settings->execs_count++;
    } else if (input->origin.from == SETTINGS_FROM_FILE) {
        problem(input, "%s: given before, in line %u", input->name, exec->origin.line);
        return;
    }
    exec->command = keep(input, command);
    exec->origin = input->origin;
    exec->origin.text = exec->command;
}

/* NAME=COMMAND, of a flag or a line of the environment. */
static void
take_exec_pair(const struct input *input, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL) {
        problem(input, "%s: '%.60s' is not NAME=COMMAND", input->name, pair);
        return;
    }
    take_exec(input, pair, (size_t) (equals - pair), equals + 1);
}

/* ---- names that nobody knows -------------------------------------------------------- */

typedef void spell_fn(const char *key, char *text, size_t text_size);

static void
spell_key(const char *key, char *text, size_t text_size)
{
    snprintf(text, text_size, "%s", key);
}

static void
refuse_name(const struct input *input, spell_fn *spell, const char *typed)
{
    static const char *const secrets[] = { "token", "secret", "password" };
    for (size_t i = 0; i < ARRAY_COUNT(secrets); i++) {
        if (strcasestr(typed, secrets[i]) != NULL && strcasestr(typed, "file") == NULL) {
            problem(input, "%s: a secret is never a value: name its file, link.token_file",
                input->name);
            return;
        }
    }
    char spelled[SETTINGS_ID_COUNT + 2][NAME_SIZE_MAX];
    struct nearest nearest;
    nearest_init(&nearest, typed);
    for (size_t i = 0; i < SETTINGS_ID_COUNT; i++) {
        bool is_ours = (settings_rows[i].programs & input->source->program) != 0;
        spell(settings_rows[i].key, spelled[i], NAME_SIZE_MAX);
        if (is_ours || spell != settings_value_flag) {
            nearest_offer(&nearest, spelled[i]);
        }
    }
    spell(EXEC_KEY, spelled[SETTINGS_ID_COUNT], NAME_SIZE_MAX);
    spell("config", spelled[SETTINGS_ID_COUNT + 1], NAME_SIZE_MAX);
    nearest_offer(&nearest, spelled[SETTINGS_ID_COUNT]);
    nearest_offer(&nearest, spelled[SETTINGS_ID_COUNT + 1]);

    const char *meant = nearest_word(&nearest);
    if (meant != NULL) {
        problem(input, "%s: no such setting; did you mean %s%s?", input->name,
            spell == settings_value_flag ? "--" : "", meant);
    } else {
        problem(input, "%s: no such setting (--help lists them)", input->name);
    }
}

/* The row of a spelled name; SETTINGS_ID_COUNT when there is none. */
static size_t
find_row(spell_fn *spell, const char *name, unsigned programs)
{
    for (size_t i = 0; i < SETTINGS_ID_COUNT; i++) {
        char spelled[NAME_SIZE_MAX];
        spell(settings_rows[i].key, spelled, sizeof spelled);
        if (strcmp(spelled, name) == 0 && (settings_rows[i].programs & programs) != 0) {
            return i;
        }
    }
    return SETTINGS_ID_COUNT;
}

/* ---- the file ----------------------------------------------------------------------- */

static void
on_file_entry(void *user, const char *key, const char *value, uint32_t line)
{
    struct input input = *(const struct input *) user;
    input.name = key;
    input.origin.line = line;
    size_t id = find_row(spell_key, key, SETTINGS_CW);
    size_t exec_size = strlen(EXEC_KEY);
    if (id < SETTINGS_ID_COUNT) {
        take_row(&input, id, value);
    } else if (strncmp(key, EXEC_KEY, exec_size) == 0 && key[exec_size] == '.') {
        take_exec(&input, key + exec_size + 1, strlen(key + exec_size + 1), value);
    } else if (strcmp(key, EXEC_KEY) != 0 || value[0] != '\0') {
        refuse_name(&input, spell_key, key);
    }
}

static void
take_file(struct input input, const char *path)
{
    input.settings->config_file = keep(&input, path);
    if (path[0] == '\0') {
        return;
    }
    CHECK(input.source->read_file != NULL);
    struct settings_file_error error;
    err_t err = input.source->read_file(path, on_file_entry, &input, &error);
    if (err != ERR_OK) {
        input.origin.line = error.line;
        problem(&input, "%s", error.message);
    }
}

/* ---- the environment ---------------------------------------------------------------- */

/* What Docker and Kubernetes put in for a service named hedgerow: HEDGEROW_PORT,
 * HEDGEROW_SERVICE_HOST, HEDGEROW_WORKER_PORT_7400_TCP_ADDR ... */
static bool
is_service_variable(const char *name)
{
    const char *port = strstr(name, "_PORT");
    bool is_port = port != NULL && (port[5] == '\0' || port[5] == '_');
    return is_port || strstr(name, "_SERVICE_HOST") != NULL;
}

static bool
is_other_variable(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(other_variables); i++) {
        if (strcmp(name, other_variables[i]) == 0) {
            return true;
        }
    }
    return strcmp(name, PREFIX "CONFIG") == 0 ||
           strncmp(name, PREFIX "TEST_", strlen(PREFIX "TEST_")) == 0 ||
           is_service_variable(name);
}

static void
take_exec_lines(const struct input *input, const char *value)
{
    char line[SETTINGS_VALUE_SIZE_MAX];
    while (*value != '\0') {
        size_t size = strcspn(value, "\n");
        if (size >= sizeof line) {
            problem(input, "%s: a line is longer than %zu bytes", input->name, sizeof line - 1);
            return;
        }
        snprintf(line, sizeof line, "%.*s", (int) size, value);
        if (line[strspn(line, " \t")] != '\0') {
            take_exec_pair(input, line + strspn(line, " \t"));
        }
        value += size + (value[size] == '\n' ? 1 : 0);
    }
}

static void
take_variable(struct input input, const char *variable)
{
    size_t size = strcspn(variable, "=");
    char name[NAME_SIZE_MAX];
    snprintf(
        name, sizeof name, "%.*s", (int) (size < sizeof name ? size : sizeof name), variable);
    const char *value = variable + size + (variable[size] == '=' ? 1 : 0);
    input.name = name;
    /* The short name is the one that the C library of users and the command know, too. */
    size_t id = strcmp(name, "HEDGEROW_TOKEN_FILE") == 0
                    ? SETTINGS_ID_link_token_file
                    : find_row(settings_value_variable, name, SETTINGS_CW);
    if (id < SETTINGS_ID_COUNT) {
        take_row(&input, id, value);
    } else if (strcmp(name, EXEC_VARIABLE) == 0) {
        take_exec_lines(&input, value);
    } else if (!is_other_variable(name)) {
        refuse_name(&input, settings_value_variable, name);
    }
}

static const char *
environment_value(const struct settings_source *source, const char *name)
{
    size_t size = strlen(name);
    for (char **each = source->environment; each != NULL && *each != NULL; each++) {
        if (strncmp(*each, name, size) == 0 && (*each)[size] == '=') {
            return *each + size + 1;
        }
    }
    return NULL;
}

/* ---- flags -------------------------------------------------------------------------- */

struct flag {
    char name[NAME_SIZE_MAX];
    const char *value; /* NULL: none was joined with '=' */
};

static bool
take_switch(struct settings *settings, const char *name)
{
    const struct {
        const char *name;
        bool *wanted;
    } switches[] = {
        { "help", &settings->wants_help },
        { "version", &settings->wants_version },
        { "check-config", &settings->wants_check },
        { "print-config", &settings->wants_print },
    };
    for (size_t i = 0; i < ARRAY_COUNT(switches); i++) {
        if (strcmp(switches[i].name, name) == 0) {
            *switches[i].wanted = true;
            return true;
        }
    }
    return false;
}

/* name=value or name, without the dashes. */
static void
flag_split(const char *argument, struct flag *ret_flag)
{
    size_t size = strcspn(argument, "=");
    ret_flag->value = argument[size] == '=' ? argument + size + 1 : NULL;
    size = size < NAME_SIZE_MAX ? size : NAME_SIZE_MAX - 1;
    snprintf(ret_flag->name, sizeof ret_flag->name, "%.*s", (int) size, argument);
}

/* Returns how many arguments it used. */
static int
take_flag(struct input input, const char *argument, const char *next)
{
    struct settings *settings = input.settings;
    struct flag flag;
    char shown[NAME_SIZE_MAX + 2];
    if (strcmp(argument, "-h") == 0 || strcmp(argument, "-V") == 0) {
        argument = argument[1] == 'h' ? "--help" : "--version";
    }
    input.name = shown;
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
        snprintf(shown, sizeof shown, "%.60s", argument);
        problem(&input, "%s: not a flag (--help lists them)", shown);
        return 1;
    }
    flag_split(argument + 2, &flag);
    snprintf(shown, sizeof shown, "--%s", flag.name);
    if (flag.value == NULL && take_switch(settings, flag.name)) {
        return 1;
    }
    size_t id = find_row(settings_value_flag, flag.name, input.source->program);
    bool is_exec = strcmp(flag.name, "exec") == 0 && (input.source->program & SETTINGS_W) != 0;
    bool is_config = strcmp(flag.name, "config") == 0;
    if (id == SETTINGS_ID_COUNT && !is_exec && !is_config) {
        refuse_name(&input, settings_value_flag, flag.name);
        /* Its value, if that is what follows, is no second error. */
        return flag.value == NULL && next != NULL && next[0] != '-' ? 2 : 1;
    }
    int used = 1;
    if (flag.value == NULL && id < SETTINGS_ID_COUNT &&
        settings_rows[id].type == SETTINGS_BOOL) {
        flag.value = "true";
    } else if (flag.value == NULL && next != NULL) {
        flag.value = next;
        used = 2;
    }
    if (flag.value == NULL) {
        problem(&input, "%s: needs a value", shown);
    } else if (is_exec) {
        take_exec_pair(&input, flag.value);
    } else if (id < SETTINGS_ID_COUNT) {
        take_row(&input, id, flag.value);
    }
    return used;
}

/* --config is looked for before the file is read, so before all other flags are. */
static const char *
flag_config(const struct settings_source *source)
{
    const char *path = NULL;
    for (int i = 1; i < source->argc; i++) {
        const char *argument = source->argv[i];
        if (strcmp(argument, "--config") == 0) {
            path = i + 1 < source->argc ? source->argv[++i] : path;
        } else if (strncmp(argument, "--config=", strlen("--config=")) == 0) {
            path = argument + strlen("--config=");
        }
    }
    return path;
}

/* ---- all together ------------------------------------------------------------------- */

static void
take_defaults(struct input input)
{
    for (size_t i = 0; i < SETTINGS_ID_COUNT; i++) {
        input.name = settings_rows[i].key;
        take_row(&input, i, settings_rows[i].fallback);
    }
    CHECK(input.settings->problems_count == 0);
}

static void
check_together(struct input input)
{
    struct settings *settings = input.settings;
    if (settings->jobs_timeout.ns > settings->jobs_timeout_max.ns) {
        const struct settings_origin *origins = settings->origins;
        input.origin = origins[SETTINGS_ID_jobs_timeout];
        if (input.origin.from != SETTINGS_FROM_FILE) {
            input.origin = origins[SETTINGS_ID_jobs_timeout_max];
        }
        problem(&input, "jobs.timeout: '%.60s' is longer than jobs.timeout_max, '%.60s'",
            origins[SETTINGS_ID_jobs_timeout].text, origins[SETTINGS_ID_jobs_timeout_max].text);
    }
    if (settings->worker_name[0] == '\0') {
        char host[49] = "worker"; /* a longer name is cut: the wire's bound is 63 */
        if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') {
            snprintf(host, sizeof host, "worker");
        }
        char name[64];
        snprintf(name, sizeof name, "%s-%d", host, (int) getpid());
        settings->worker_name = keep(&input, name);
    }
}

err_t
settings_load(struct settings *settings, const struct settings_source *source)
{
    memset(settings, 0, sizeof *settings);
    settings->config_file = "";
    struct input input = { .settings = settings, .source = source };
    take_defaults(input);

    const char *config = flag_config(source);
    if (config == NULL) {
        config = environment_value(source, PREFIX "CONFIG");
    }
    if (config != NULL) {
        input.origin.from = SETTINGS_FROM_FILE;
        take_file(input, config);
    }
    input.origin.from = SETTINGS_FROM_ENVIRONMENT;
    for (char **each = source->environment; each != NULL && *each != NULL; each++) {
        if (strncmp(*each, PREFIX, strlen(PREFIX)) == 0) {
            take_variable(input, *each);
        }
    }
    input.origin.from = SETTINGS_FROM_FLAG;
    for (int i = 1; i < source->argc;) {
        i += take_flag(
            input, source->argv[i], i + 1 < source->argc ? source->argv[i + 1] : NULL);
    }
    check_together(input);
    return settings->problems_count == 0 ? ERR_OK : ERR_INVALID;
}

bool
settings_start(
    struct settings *settings, const struct settings_source *source, int *ret_exit_code)
{
    err_t err = settings_load(settings, source);
    *ret_exit_code = EXIT_SUCCESS;
    if (settings->wants_help) {
        settings_help(source, stdout);
        return false;
    }
    if (settings->wants_version) {
        printf("%s " HEDGEROW_VERSION "\n", source->name);
        return false;
    }
    if (err != ERR_OK) {
        for (uint32_t i = 0; i < settings->problems_count && i < SETTINGS_PROBLEMS_MAX; i++) {
            fprintf(stderr, "%s: %s\n", source->name, settings->problems[i]);
        }
        if (settings->problems_count > SETTINGS_PROBLEMS_MAX) {
            fprintf(stderr, "%s: and %u more\n", source->name,
                settings->problems_count - SETTINGS_PROBLEMS_MAX);
        }
        *ret_exit_code = EXIT_CODE_USAGE;
        return false;
    }
    if (settings->wants_print) {
        settings_print(settings, source->program, /* with_origin= */ true, stdout);
        return false;
    }
    if (settings->wants_check) {
        printf("%s: the settings are right\n", source->name);
        return false;
    }
    return true;
}

void
settings_log_init(const struct settings *settings, const char *component)
{
    bool is_json = settings->log_format == SETTINGS_LOG_JSON ||
                   (settings->log_format == SETTINGS_LOG_AUTO && isatty(STDERR_FILENO) == 0);
    log_init(component, (enum log_level) settings->log_level, is_json ? LOG_JSON : LOG_LOGFMT);
}
