/* SPDX-License-Identifier: MIT
 *
 * hedgerow-worker: dial the coordinator, run its jobs, leave in good order.
 *
 *   start    settings -> spawner (forks: before any thread) -> handlers -> token ->
 *            scheduler -> agent -> link -> loop
 *   SIGTERM  DRAIN: nothing new, hand back what waits, finish what runs
 *              | idle                  | drain.timeout, or a second signal
 *              v                       v
 *            GOODBYE, exit 0         stop all, each with its answer; then the same.
 *                                    What does not stop within the grace: exit 1.
 */
#include "common/edge/crypto.h"
#include "common/edge/loop.h"
#include "common/edge/yaml.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "common/sys/notify.h"
#include "common/sys/settings.h"
#include "common/sys/token.h"
#include "worker/agent.h"
#include "worker/handlers/builtin.h"
#include "worker/handlers/exec.h"
#include "worker/link.h"
#include "worker/metrics.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TICK_MS       (WIRE_HEARTBEAT_MS / 4)
#define READY_MS_MAX  5000 /* a supervisor is not kept waiting for an absent coordinator */
#define STOP_MS_MAX   3000 /* a cancelled copy's grace, and some */
#define FLUSH_MS_MAX  2000
#define NOFILE_WANTED 65536

struct worker {
    struct settings *settings;
    char name[WIRE_NAME_SIZE_MAX];
    uint64_t incarnation;
    struct token token;
    struct spawn_helper *helper; /* NULL: no commands */
    struct registry *registry;
    struct agent *agent;
    struct agent_port *port;
    struct loop *loop;
    struct loop_timer *ticker;
    struct loop_timer *patience; /* drain.timeout, then the grace of those that are stopped */
    struct loop_wake *idle;
    struct loop_wake *up;
    struct worker_link *link;
    struct metrics *metrics; /* NULL: not asked for */
    instant_t ready_by;      /* NEVER: told */
    bool is_draining;
    bool is_stopping;
};

/* ---- building ------------------------------------------------------------------------ */

/* Each command in flight takes four descriptors. */
static void
raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    rlim_t wanted = limit.rlim_max < NOFILE_WANTED ? limit.rlim_max : NOFILE_WANTED;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool
add_handlers(struct worker *worker)
{
    const struct settings *settings = worker->settings;
    err_t err = registry_new(&worker->registry);
    if (err == ERR_OK) {
        err = builtin_add(worker->registry);
    }
    if (err != ERR_OK) {
        log_error("cannot add the built-in handlers", LOG_ERR(err));
        return false;
    }
    for (uint32_t i = 0; i < settings->execs_count; i++) {
        const struct settings_exec *exec = &settings->execs[i];
        err = exec_add(worker->registry, worker->helper, exec->name, exec->command);
        if (err != ERR_OK) {
            log_error("cannot add the command handler", LOG_STR("handler", exec->name),
                LOG_STR("command", exec->command), LOG_ERR(err),
                LOG_STR("hint", err == ERR_INVALID
                                    ? "the command may begin with "
                                      "@idempotent and @cpu, and must not be empty"
                                    : ""));
            return false;
        }
    }
    return true;
}

static bool
load_token(struct worker *worker)
{
    err_t err = token_load(worker->settings->link_token_file, &worker->token);
    if (err != ERR_OK) {
        log_error(
            "cannot read the link token", LOG_STR("file", worker->token.path), LOG_ERR(err));
        return false;
    }
    return true;
}

static void
name_worker(struct worker *worker)
{
    const char *given = worker->settings->worker_name;
    if (given[0] != '\0') {
        snprintf(worker->name, sizeof worker->name, "%s", given);
        return;
    }
    char host[WIRE_NAME_SIZE_MAX];
    if (gethostname(host, sizeof host) != 0) {
        snprintf(host, sizeof host, "worker");
    }
    host[sizeof host - 1] = '\0';
    snprintf(worker->name, sizeof worker->name, "%.40s-%ld", host, (long) getpid());
}

static void
on_idle(void *user)
{
    struct worker *worker = user;
    loop_wake_post(worker->idle);
}

static err_t
start_agent(struct worker *worker)
{
    const struct settings *settings = worker->settings;
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    uint32_t slots = settings->worker_slots;
    const struct agent_config config = {
        .registry = worker->registry,
        .incarnation = worker->incarnation,
        .slots_cpu_count = slots > 0 && slots < hr_procs_count() ? slots : hr_procs_count(),
        .slots_other_count = slots > 0 ? slots : AGENT_SLOTS_OTHER,
        .queue_max = settings->worker_queue,
        .inputs_size_max = AGENT_INPUT_SIZE_MAX,
        .heartbeat = duration_ms(WIRE_HEARTBEAT_MS),
        .heartbeats_missed_max = WIRE_HEARTBEATS_MISSED_MAX,
        .stall_share = settings->worker_stall.share,
        .stall = settings->worker_stall.pause,
        .seed = seed,
        .on_idle = on_idle,
        .user = worker,
    };
    if (config.stall_share > 0) {
        log_warn("chaos: copies are stalled",
            LOG_I64("share_permille", config.stall_share * 1000),
            LOG_I64("stall_ms", duration_to_ms(config.stall)));
    }
    return agent_new(&config, &worker->agent);
}

/* ---- the link ------------------------------------------------------------------------ */

static void
on_up(void *user, uint64_t epoch)
{
    struct worker *worker = user;
    agent_set_heartbeat(worker->agent, worker_link_heartbeat(worker->link),
        worker_link_missed_max(worker->link));
    agent_on_up(worker->port, epoch);
    loop_wake_post(worker->up);
}

static void
on_message(void *user, const struct wire_msg *msg)
{
    struct worker *worker = user;
    agent_on_message(worker->port, msg);
}

static void
on_down(void *user, err_t why)
{
    struct worker *worker = user;
    log_warn("no link to the coordinator", LOG_STR("dial", worker->settings->worker_dial),
        LOG_ERR(why));
    agent_on_down(worker->port, why);
}

static err_t
send_frame(void *user, const struct wire_msg *msg)
{
    struct worker *worker = user;
    return worker_link_send(worker->link, msg);
}

static void
fill_hello(struct worker *worker, struct wire_hello *hello)
{
    snprintf(hello->worker, sizeof hello->worker, "%s", worker->name);
    snprintf(hello->zone, sizeof hello->zone, "%s", worker->settings->worker_zone);
    hello->incarnation = worker->incarnation;
    hello->version = WIRE_VERSION_MAX;
    hello->slots_count = agent_slots_count(worker->agent);
    hello->queue_max = worker->settings->worker_queue;
    hello->pid = (uint32_t) getpid();
    hello->handlers_count = registry_count(worker->registry);
    for (uint32_t i = 0; i < hello->handlers_count; i++) {
        const struct handler *handler = registry_at(worker->registry, i);
        memcpy(hello->handlers[i].name, handler->name, sizeof hello->handlers[i].name);
        hello->handlers[i].flags = handler->flags & HANDLER_WIRE_FLAGS;
    }
}

static bool
start_link(struct worker *worker)
{
    static struct worker_link_config config;
    config.dial_url = worker->settings->worker_dial;
    config.token = worker->token.size > 0 ? worker->token.bytes : NULL;
    config.token_size = worker->token.size;
    fill_hello(worker, &config.hello);
    const struct agent_link agent_link = { .user = worker, .send = send_frame };
    worker->port = agent_port_add(worker->agent, &agent_link);
    const struct worker_link_events events = {
        .user = worker, .on_up = on_up, .on_message = on_message, .on_down = on_down
    };
    err_t err = worker_link_new(worker->loop, &config, &events, &worker->link);
    if (err != ERR_OK) {
        log_error("cannot dial", LOG_STR("dial", config.dial_url), LOG_ERR(err),
            LOG_STR("hint", "worker.dial is tcp://HOST:PORT or ipc:///PATH"));
    }
    return err == ERR_OK;
}

/* ---- to see inside ------------------------------------------------------------------- */

static void
on_slow(const struct hr_slow *slow, void *user)
{
    (void) user;
    log_warn("a handler keeps its thread", LOG_STR("handler", slow->name),
        LOG_I64("fiber", slow->fiber), LOG_STR("born", slow->born_text),
        LOG_I64("ran_ms", slow->ran_ns / 1000000), LOG_I64("cpu_ms", slow->cpu_ns / 1000000),
        LOG_I64("others", slow->suppressed_count));
}

static bool
start_sched(struct worker *worker)
{
    const struct settings *settings = worker->settings;
    const struct hr_options options = {
        .slow_slice_ns = settings->worker_slow_slice.ns,
        .on_slow = on_slow,
    };
    const char *trace_file = settings->worker_trace_file;
    int negative = hr_start(&options);
    if (negative == 0) {
        negative = hr_dump_on_signal(SIGQUIT);
    }
    if (negative == 0 && trace_file[0] != '\0') {
        negative = hr_trace_on_signal(SIGUSR2, trace_file);
        negative = negative == 0 ? hr_trace_start(0) : negative;
    }
    if (negative != 0) {
        log_error("cannot start the scheduler", LOG_ERR(err_from_errno(-negative)));
    }
    return negative == 0;
}

static void
save_trace(struct worker *worker)
{
    const char *trace_file = worker->settings->worker_trace_file;
    if (trace_file[0] == '\0') {
        return;
    }
    int negative = hr_trace_save(trace_file);
    if (negative == 0) {
        log_info("the timeline is written", LOG_STR("file", trace_file));
    } else {
        log_error("cannot write the timeline", LOG_STR("file", trace_file),
            LOG_ERR(err_from_errno(-negative)));
    }
}

static bool
start_metrics(struct worker *worker)
{
    const char *listen = worker->settings->worker_metrics_listen;
    if (listen[0] == '\0') {
        return true;
    }
    err_t err = metrics_new(worker->loop, listen, worker->agent, &worker->metrics);
    if (err != ERR_OK) {
        log_error("cannot listen for metrics", LOG_STR("listen", listen), LOG_ERR(err));
        return false;
    }
    log_info("metrics", LOG_STR("listen", listen),
        LOG_I64("metrics_port", metrics_port(worker->metrics)));
    if (!metrics_is_loopback(worker->metrics)) {
        log_warn(
            "anyone who reaches this port may read the metrics", LOG_STR("listen", listen));
    }
    return true;
}

/* ---- the loop's events --------------------------------------------------------------- */

static void
tell_ready(struct worker *worker)
{
    if (!instant_is_never(worker->ready_by)) {
        worker->ready_by = INSTANT_NEVER;
        (void) notify_send("READY=1");
    }
}

static void
on_tick(void *user)
{
    struct worker *worker = user;
    instant_t now = clock_now();
    agent_tick(worker->agent);
    if (instant_reached(now, worker->ready_by)) {
        tell_ready(worker);
    }
    duration_t heartbeat = worker_link_heartbeat(worker->link);
    loop_timer_arm(worker->ticker, instant_add(now, duration_ns(heartbeat.ns / 4)));
}

static void
on_up_wake(void *user)
{
    struct worker *worker = user;
    log_info("linked", LOG_STR("worker", worker->name),
        LOG_STR("dial", worker->settings->worker_dial));
    tell_ready(worker);
}

static void
on_idle_wake(void *user)
{
    struct worker *worker = user;
    loop_stop(worker->loop);
}

static void
stop_all(struct worker *worker, enum agent_cause cause)
{
    worker->is_stopping = true;
    loop_timer_arm(worker->patience, instant_add(clock_now(), duration_ms(STOP_MS_MAX)));
    agent_stop_all(worker->agent, cause);
}

static void
on_patience_end(void *user)
{
    struct worker *worker = user;
    if (worker->is_stopping) {
        loop_stop(worker->loop);
        return;
    }
    log_warn("the drain took too long: stopping what still runs");
    stop_all(worker, AGENT_CAUSE_DRAIN);
}

static void
on_signal(void *user, int signal_number)
{
    struct worker *worker = user;
    struct agent_counts counts;
    agent_counts(worker->agent, &counts);
    if (!worker->is_draining) {
        worker->is_draining = true;
        log_info("draining", LOG_I64("signal", signal_number),
            LOG_I64("running", counts.attempts.running_count),
            LOG_I64("queued", counts.attempts.queued_count));
        (void) notify_send("STOPPING=1");
        loop_timer_arm(
            worker->patience, instant_add(clock_now(), worker->settings->drain_timeout));
        agent_drain(worker->agent);
    } else if (!worker->is_stopping) {
        log_warn("asked twice: stopping everything", LOG_I64("signal", signal_number),
            LOG_I64("running", counts.attempts.running_count));
        stop_all(worker, AGENT_CAUSE_SHUTDOWN);
    }
}

/* ---- life ---------------------------------------------------------------------------- */

static err_t
build_loop(struct worker *worker)
{
    static const int stop_signals[] = { SIGTERM, SIGINT, SIGHUP };
    err_t err = loop_new(&worker->loop);
    if (err == ERR_OK) {
        err = loop_timer_new(worker->loop, on_tick, worker, &worker->ticker);
    }
    if (err == ERR_OK) {
        err = loop_timer_new(worker->loop, on_patience_end, worker, &worker->patience);
    }
    if (err == ERR_OK) {
        err = loop_wake_new(worker->loop, on_idle_wake, worker, &worker->idle);
    }
    if (err == ERR_OK) {
        err = loop_wake_new(worker->loop, on_up_wake, worker, &worker->up);
    }
    for (unsigned i = 0; err == ERR_OK && i < ARRAY_COUNT(stop_signals); i++) {
        err = loop_on_signal(worker->loop, stop_signals[i], on_signal, worker);
    }
    return err;
}

static bool
build(struct worker *worker)
{
    /* Forks, so it is first; and only where somebody asked for commands. */
    err_t err =
        worker->settings->execs_count > 0 ? spawn_helper_start(&worker->helper) : ERR_OK;
    if (err != ERR_OK) {
        log_error("cannot start the spawner", LOG_ERR(err));
        return false;
    }
    if (!add_handlers(worker) || !load_token(worker)) {
        return false;
    }
    if (!start_sched(worker)) {
        return false;
    }
    name_worker(worker);
    crypto_random(&worker->incarnation, sizeof worker->incarnation);
    err = build_loop(worker);
    if (err == ERR_OK) {
        err = start_agent(worker);
    }
    if (err != ERR_OK) {
        log_error("cannot start", LOG_ERR(err));
        return false;
    }
    return start_metrics(worker) && start_link(worker);
}

static void
log_counts(struct worker *worker)
{
    struct agent_counts counts;
    agent_counts(worker->agent, &counts);
    const struct attempts_counts *attempts = &counts.attempts;
    log_info("attempts", LOG_I64("received", attempts->received_count),
        LOG_I64("started", attempts->begun_count), LOG_I64("replied", attempts->replied_count),
        LOG_I64("failed", attempts->failed_count), LOG_I64("busy", attempts->busy_count),
        LOG_I64("expired", attempts->expired_count),
        LOG_I64("not_seen", attempts->acks_count[ATTEMPTS_FATE_NOT_SEEN]),
        LOG_I64("dequeued", attempts->acks_count[ATTEMPTS_FATE_DEQUEUED]),
        LOG_I64("stopped", attempts->acks_count[ATTEMPTS_FATE_STOPPED]),
        LOG_I64("completed", attempts->acks_count[ATTEMPTS_FATE_COMPLETED]),
        LOG_I64("late_cancels", attempts->cancels_late_count),
        LOG_I64("duplicates", attempts->duplicates_count),
        LOG_I64("orphans", attempts->orphans_count), LOG_I64("stalled", counts.stalled_count),
        LOG_I64("frames_lost", counts.frames_lost_count));
}

/* Say goodbye; false when work was left that would not stop. */
static bool
leave(struct worker *worker)
{
    struct wire_msg msg = { .kind = WIRE_GOODBYE };
    bool is_idle = agent_is_idle(worker->agent);
    snprintf(msg.goodbye.reason, sizeof msg.goodbye.reason, "shutting down");
    instant_t flush_by = instant_add(clock_now(), duration_ms(FLUSH_MS_MAX));
    if (worker_link_is_up(worker->link)) {
        err_t err = worker_link_send(worker->link, &msg);
        err = err == ERR_OK ? worker_link_flush(worker->link, flush_by) : err;
        if (err != ERR_OK) {
            log_warn("the last frames may not have left", LOG_ERR(err));
        }
    }
    log_counts(worker);
    if (!is_idle) {
        struct agent_counts counts;
        agent_counts(worker->agent, &counts);
        log_error("handlers that do not stop are abandoned",
            LOG_I64("running", counts.attempts.running_count));
    }
    return is_idle;
}

static void
worker_fini(struct worker *worker)
{
    worker_link_free(worker->link);
    metrics_close(worker->metrics);
    (void) hr_stop(); /* EALREADY: it never ran */
    metrics_free(worker->metrics);
    agent_free(worker->agent);
    registry_free(worker->registry);
    spawn_helper_stop(worker->helper);
    loop_wake_free(worker->idle);
    loop_wake_free(worker->up);
    loop_timer_free(worker->ticker);
    loop_timer_free(worker->patience);
    loop_free(worker->loop);
}

int
main(int argc, char **argv)
{
    static struct settings settings;
    static struct worker worker;
    const struct settings_source source = {
        .program = SETTINGS_W,
        .name = "hedgerow-worker",
        .about = "Dials a Hedgerow coordinator and runs the jobs that it sends.",
        .argc = argc,
        .argv = argv,
        .environment = environ,
        .read_file = yaml_read,
    };
    int exit_code;
    if (!settings_start(&settings, &source, &exit_code)) {
        return exit_code;
    }
    settings_log_init(&settings, "worker");
    signal(SIGPIPE, SIG_IGN); /* commands may close their stdin before they have read it */
    raise_descriptors();
    worker.settings = &settings;
    worker.ready_by = instant_add(clock_now(), duration_ms(READY_MS_MAX));
    bool is_clean = build(&worker);
    if (is_clean) {
        log_info("starting", LOG_STR("worker", worker.name), LOG_I64("pid", getpid()),
            LOG_I64("procs", hr_procs_count()),
            LOG_I64("slots", agent_slots_count(worker.agent)),
            LOG_I64("queue", settings.worker_queue),
            LOG_I64("handlers", registry_count(worker.registry)));
        loop_timer_arm(worker.ticker, instant_add(clock_now(), duration_ms(TICK_MS)));
        loop_run(worker.loop);
        is_clean = leave(&worker);
        save_trace(&worker);
        if (!is_clean) {
            spawn_helper_stop(worker.helper);
            _exit(EXIT_FAILURE); /* fibers are left: nothing can be taken down under them */
        }
    }
    worker_fini(&worker);
    return is_clean ? EXIT_SUCCESS : EXIT_FAILURE;
}
