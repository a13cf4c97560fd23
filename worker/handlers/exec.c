/* SPDX-License-Identifier: MIT */
#include "worker/handlers/exec.h"

#include "common/sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_SIZE         (64 * 1024)
#define STDERR_SIZE_MAX   (64 * 1024) /* relayed to the log; the rest is read and dropped */
#define LINE_SIZE_MAX     1024
#define TAIL_SIZE_MAX     100 /* of stderr, in a failure's message */
#define EXIT_TEMPFAIL     75
#define EXIT_NOT_RUN      126
#define EXIT_NOT_FOUND    127
#define START_RETRY_NS    1000000
#define ENVIRONMENT_MAX   16
#define VARIABLE_SIZE_MAX 512

struct exec {
    struct spawn_helper *helper;
    char *command;
};

enum {
    PIPE_STDIN,
    PIPE_STDOUT,
    PIPE_STDERR,
    PIPES_COUNT
};

/* One run.  Lives on the run's own fiber, which joins the others. */
struct task {
    struct run *run;
    struct exec *exec;
    int ours[PIPES_COUNT];
    int theirs[PIPES_COUNT];
    int control_fd;
    uint8_t *output; /* owned */
    size_t output_size;
    size_t output_room;
    bool is_too_big;
    bool has_no_memory;
    size_t stderr_size;
    char line[LINE_SIZE_MAX];
    size_t line_size;
    char tail[TAIL_SIZE_MAX + 1]; /* the last line that was not empty */
    char environment[ENVIRONMENT_MAX][VARIABLE_SIZE_MAX];
    struct spawn_report report;
    bool has_report;
};

static void exec_run(struct run *run, void *user);
static void exec_free(void *user);

/* ---- adding -------------------------------------------------------------------------- */

/* Take the @words off the front. */
static err_t
take_flags(const char **command, uint32_t *ret_flags)
{
    static const struct {
        const char *word;
        uint32_t flag;
    } words[] = { { "@idempotent", HANDLER_IDEMPOTENT }, { "@cpu", HANDLER_CPU } };
    uint32_t flags = HANDLER_STOPS_ITSELF;
    const char *at = *command + strspn(*command, " \t\n");
    while (*at == '@') {
        size_t size = strcspn(at, " \t\n");
        uint32_t flag = 0;
        for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
            if (strlen(words[i].word) == size && strncmp(at, words[i].word, size) == 0) {
                flag = words[i].flag;
            }
        }
        if (flag == 0) {
            return ERR_INVALID;
        }
        flags |= flag;
        at += size;
        at += strspn(at, " \t\n");
    }
    if (*at == '\0') {
        return ERR_INVALID;
    }
    *command = at;
    *ret_flags = flags;
    return ERR_OK;
}

err_t
exec_add(struct registry *registry, struct spawn_helper *helper, const char *name,
    const char *command)
{
    struct handler handler = { .run = exec_run, .free = exec_free };
    err_t err = take_flags(&command, &handler.flags);
    if (err != ERR_OK) {
        return err;
    }
    if (strlen(name) >= sizeof handler.name) {
        return ERR_INVALID;
    }
    snprintf(handler.name, sizeof handler.name, "%s", name);
    struct exec *exec = calloc(1, sizeof *exec);
    if (exec == NULL) {
        return ERR_NO_MEMORY;
    }
    exec->helper = helper;
    exec->command = strdup(command);
    handler.user = exec;
    err = exec->command != NULL ? registry_add(registry, &handler) : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        exec_free(exec);
    }
    return err;
}

static void
exec_free(void *user)
{
    struct exec *exec = user;
    free(exec->command);
    free(exec);
}

/* ---- descriptors --------------------------------------------------------------------- */

static void
fd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* One that fibers waited on. */
static void
fd_close_ours(int *fd)
{
    if (*fd >= 0) {
        hr_fd_forget(*fd);
        fd_close(fd);
    }
}

static err_t
open_pipes(struct task *task)
{
    for (int i = 0; i < PIPES_COUNT; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) {
            return err_from_errno(errno);
        }
        task->ours[i] = ends[i == PIPE_STDIN ? 1 : 0];
        task->theirs[i] = ends[i == PIPE_STDIN ? 0 : 1];
        /* Only our end: the flag belongs to the end, and commands expect to block. */
        if (fcntl(task->ours[i], F_SETFL, O_NONBLOCK) != 0) {
            return err_from_errno(errno);
        }
    }
    return ERR_OK;
}

/* ---- what its fibers do -------------------------------------------------------------- */

static void
feed_stdin(void *arg)
{
    struct task *task = arg;
    size_t size;
    const uint8_t *input = run_input(task->run, &size);
    size_t written = 0;
    while (written < size) {
        int64_t step =
            hr_write(task->ours[PIPE_STDIN], input + written, size - written, HR_NEVER);
        if (step <= 0) {
            break; /* it closed its stdin, or ended: its exit code tells whether that is bad */
        }
        written += (size_t) step;
    }
    fd_close_ours(&task->ours[PIPE_STDIN]);
}

static void
log_line(struct task *task)
{
    if (task->line_size == 0) {
        return;
    }
    char job[ID_TEXT_SIZE];
    task->line[task->line_size] = '\0';
    task->line_size = 0;
    snprintf(task->tail, sizeof task->tail, "%.*s", TAIL_SIZE_MAX, task->line);
    id_to_text(task->run->job, job);
    log_info("stderr", LOG_STR("handler", task->run->handler), LOG_STR("job_id", job),
        LOG_I64("attempt", task->run->attempt), LOG_STR("line", task->line));
}

static void
hear_stderr(struct task *task, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && task->stderr_size < STDERR_SIZE_MAX; i++) {
        task->stderr_size++;
        if (bytes[i] == '\n' || task->line_size == sizeof task->line - 1) {
            log_line(task);
        }
        if (bytes[i] != '\n') {
            task->line[task->line_size++] = bytes[i];
        }
    }
}

static void
drain_stderr(void *arg)
{
    struct task *task = arg;
    char bytes[4096];
    int64_t size;
    while ((size = hr_read(task->ours[PIPE_STDERR], bytes, sizeof bytes, HR_NEVER)) > 0) {
        hear_stderr(task, bytes, (size_t) size);
    }
    log_line(task);
}

/* Room for at least one more byte; false: past the bound, or no memory. */
static bool
grow_output(struct task *task)
{
    size_t max = task->run->result_size_max + 1; /* the one more shows that it is too big */
    if (task->output_size < task->output_room) {
        return true;
    }
    if (task->output_room >= max) {
        task->is_too_big = true;
        return false;
    }
    size_t room = task->output_room > 0 ? task->output_room * 2 : READ_SIZE;
    room = room < max ? room : max;
    uint8_t *grown = realloc(task->output, room);
    if (grown == NULL) {
        task->has_no_memory = true;
        return false;
    }
    task->output = grown;
    task->output_room = room;
    return true;
}

/* Reads to the end in every case: a command must not hang on a full pipe. */
static void
read_stdout(struct task *task)
{
    uint8_t dropped[4096];
    bool is_kept = true;
    for (;;) {
        if (is_kept && !grow_output(task)) {
            is_kept = false;
            spawn_stop(task->control_fd, (uint32_t) duration_to_ms(task->run->cancel_grace));
        }
        uint8_t *room = is_kept ? task->output + task->output_size : dropped;
        size_t room_size = is_kept ? task->output_room - task->output_size : sizeof dropped;
        int64_t size = hr_read(task->ours[PIPE_STDOUT], room, room_size, HR_NEVER);
        if (size <= 0) {
            return;
        }
        if (is_kept) {
            task->output_size += (size_t) size;
        }
    }
}

/* ---- one run ------------------------------------------------------------------------- */

static void
on_ctx_end(void *arg)
{
    struct task *task = arg;
    spawn_stop(task->control_fd, (uint32_t) duration_to_ms(task->run->cancel_grace));
}

static void
fill_environment(struct task *task, const char *ret_environment[ENVIRONMENT_MAX + 1])
{
    static const char *const inherited[] = { "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR" };
    const struct run *run = task->run;
    uint32_t count = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(inherited); i++) {
        const char *value = getenv(inherited[i]);
        if (value != NULL && strlen(value) < VARIABLE_SIZE_MAX - 16) {
            snprintf(
                task->environment[count++], VARIABLE_SIZE_MAX, "%s=%s", inherited[i], value);
        }
    }
    char job[ID_TEXT_SIZE];
    id_to_text(run->job, job);
    snprintf(task->environment[count++], VARIABLE_SIZE_MAX, "HEDGEROW_JOB_ID=%s", job);
    snprintf(
        task->environment[count++], VARIABLE_SIZE_MAX, "HEDGEROW_ATTEMPT=%u", run->attempt);
    snprintf(
        task->environment[count++], VARIABLE_SIZE_MAX, "HEDGEROW_HANDLER=%s", run->handler);
    int64_t remaining_ns = run_remaining_ns(run);
    if (remaining_ns != HR_NEVER) {
        snprintf(task->environment[count++], VARIABLE_SIZE_MAX, "HEDGEROW_REMAINING_MS=%lld",
            (long long) (remaining_ns / 1000000));
    }
    if (run->traceparent[0] != '\0') {
        snprintf(
            task->environment[count++], VARIABLE_SIZE_MAX, "TRACEPARENT=%s", run->traceparent);
    }
    CHECK(count <= ENVIRONMENT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        ret_environment[i] = task->environment[i];
    }
    ret_environment[count] = NULL;
}

static err_t
start_command(struct task *task)
{
    const char *environment[ENVIRONMENT_MAX + 1];
    fill_environment(task, environment);
    const char *const argv[] = { "/bin/sh", "-c", task->exec->command, NULL };
    const struct spawn_command command = {
        .argv = argv,
        .environment = environment,
        .stdin_fd = task->theirs[PIPE_STDIN],
        .stdout_fd = task->theirs[PIPE_STDOUT],
        .stderr_fd = task->theirs[PIPE_STDERR],
    };
    err_t err;
    while ((err = spawn_start(task->exec->helper, &command, &task->control_fd)) == ERR_AGAIN) {
        if (hr_ctx_err(task->run->ctx) != 0) {
            return ERR_CANCELLED;
        }
        (void) hr_sleep(START_RETRY_NS); /* the helper forks about a thousand a second */
    }
    for (int i = 0; i < PIPES_COUNT; i++) {
        fd_close(&task->theirs[i]);
    }
    return err;
}

/* The command runs: serve its pipes until its whole tree has ended. */
static void
attend(struct task *task)
{
    struct hr_ctx_hook hook = { .fn = on_ctx_end, .arg = task };
    struct hr_fiber *feeder = NULL;
    struct hr_fiber *drainer = NULL;
    bool is_hooked = hr_ctx_hook(task->run->ctx, &hook);
    if (!is_hooked) {
        on_ctx_end(task);
    }
    bool has_fibers = hr_spawn(drain_stderr, task, "exec stderr", &drainer) == 0 &&
                      hr_spawn(feed_stdin, task, "exec stdin", &feeder) == 0;
    if (!has_fibers) {
        task->has_no_memory = true;
        spawn_stop(task->control_fd, /* grace_ms= */ 0);
    }
    read_stdout(task);
    /* The report comes when no process is left, so both others come to their end, too. */
    int64_t size = hr_read(task->control_fd, &task->report, sizeof task->report, HR_NEVER);
    task->has_report = size == (int64_t) sizeof task->report;
    if (feeder != NULL) {
        hr_join(feeder);
    }
    if (drainer != NULL) {
        hr_join(drainer);
    }
    if (is_hooked) {
        hr_ctx_unhook(task->run->ctx, &hook);
    }
}

static void
judge_exit(struct task *task)
{
    struct run *run = task->run;
    int status = task->report.wait_status;
    const char *colon = task->tail[0] != '\0' ? ": " : "";
    if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        /* Somebody (the OOM killer?) ended it; another copy may live. */
        run_fail(run, /* is_retryable= */ number == SIGKILL || number == SIGTERM,
            "killed by signal %d (SIG%s)%s%s", number, sigabbrev_np(number), colon, task->tail);
        return;
    }
    int code = WEXITSTATUS(status);
    if (code == 0) {
        run_reply_take(run, task->output, task->output_size, "application/octet-stream");
        task->output = NULL;
        return;
    }
    const char *hint = "";
    if (code == EXIT_NOT_FOUND) {
        hint = " (command not found)";
    } else if (code == EXIT_NOT_RUN) {
        hint = " (command cannot be executed)";
    }
    run_fail(run, /* is_retryable= */ code == EXIT_TEMPFAIL, "exit code %d%s%s%s", code, hint,
        colon, task->tail);
}

static void
judge(struct task *task)
{
    struct run *run = task->run;
    run_charge_cpu(run, task->report.cpu_ns);
    if (!task->has_report) {
        run_fail(run, /* is_retryable= */ true, "lost sight of the command");
    } else if (task->report.start_errno != 0) {
        run_fail(run, task->report.start_errno == EAGAIN || task->report.start_errno == ENOMEM,
            "cannot start: %s", err_text(err_from_errno(task->report.start_errno)));
    } else if (task->has_no_memory) {
        run_fail(run, /* is_retryable= */ true, "out of memory");
    } else if (task->is_too_big) {
        run_fail(run, /* is_retryable= */ false, "output is larger than %zu bytes",
            run->result_size_max);
    } else if (task->report.is_stopped && hr_ctx_err(run->ctx) != 0) {
        run->outcome = RUN_SILENT; /* whatever it still wrote: it was cut short */
    } else {
        judge_exit(task);
    }
}

static void
exec_run(struct run *run, void *user)
{
    struct task *task = calloc(1, sizeof *task); /* too large for a fiber's stack */
    if (task == NULL) {
        run_fail(run, /* is_retryable= */ true, "out of memory");
        return;
    }
    task->run = run;
    task->exec = user;
    task->control_fd = -1;
    for (int i = 0; i < PIPES_COUNT; i++) {
        task->ours[i] = -1;
        task->theirs[i] = -1;
    }
    err_t err = open_pipes(task);
    if (err == ERR_OK) {
        err = start_command(task);
    }
    if (err == ERR_OK) {
        attend(task);
        judge(task);
    } else if (err != ERR_CANCELLED) {
        run_fail(run, /* is_retryable= */ true, "cannot start: %s", err_text(err));
    }
    for (int i = 0; i < PIPES_COUNT; i++) {
        fd_close_ours(&task->ours[i]);
        fd_close(&task->theirs[i]);
    }
    fd_close_ours(&task->control_fd);
    free(task->output);
    free(task);
}
