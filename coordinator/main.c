/* SPDX-License-Identifier: MIT
 *
 * coordinator/main.c - hedgerow-coordinator: settings in, house up, loop, drain, out.
 */
#include "common/edge/loop.h"
#include "common/edge/yaml.h"
#include "common/sys/log.h"
#include "common/sys/notify.h"
#include "common/sys/settings.h"
#include "common/sys/token.h"
#include "coordinator/shell.h"
#include "coordinator/store_url.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static struct settings settings; /* large, and its strings live as long as we do */
static struct token token;

/* What holds until a handler's own delay is learned; negative: never. */
static duration_t
hedge_delay(void)
{
    if (settings.hedge_delay.ns == SETTINGS_DELAY_OFF) {
        return duration_ns(-1);
    }
    return settings.hedge_delay.ns == SETTINGS_DELAY_AUTO ? duration_ms(50)
                                                          : settings.hedge_delay;
}

static struct api_config
http_config(void)
{
    return (struct api_config){
        .listen = settings.http_listen,
        .hosts = settings.http_hosts,
        .token_file = settings.auth_token_file,
        .is_insecure = settings.auth_insecure,
        .input_size_max = (uint32_t) settings.jobs_input_max,
        .connections_max = settings.http_connections_max,
        .timeout_max = settings.jobs_timeout_max,
        .limits = { .head_time = settings.http_head_time,
            .idle_time = settings.http_idle_time,
            .window_time = settings.http_window_time,
            .linger_time = settings.http_linger_time,
            .rate_min = (uint32_t) settings.http_rate_min,
            .held_max = settings.http_held_max,
            .peer_max = settings.http_peer_max,
            .line_size_max = (uint16_t) settings.http_line_max,
            .headers_size_max = (uint16_t) settings.http_headers_size_max,
            .headers_max = (uint16_t) settings.http_headers_max },
        .events_max = settings.events_kept,
        .keys = { .count_max = settings.idempotency_keys_max,
            .kept = settings.idempotency_kept },
    };
}

/* What strangers may cost, for whoever reads the log of a refusal. */
static void
log_limits(void)
{
    log_info("http limits", LOG_I64("line_bytes", settings.http_line_max),
        LOG_I64("headers_bytes", settings.http_headers_size_max),
        LOG_I64("headers", settings.http_headers_max),
        LOG_I64("input_bytes", settings.jobs_input_max),
        LOG_I64("connections", settings.http_connections_max),
        LOG_I64("peer_connections", settings.http_peer_max),
        LOG_I64("head_ms", duration_to_ms(settings.http_head_time)),
        LOG_I64("idle_ms", duration_to_ms(settings.http_idle_time)),
        LOG_I64("window_ms", duration_to_ms(settings.http_window_time)),
        LOG_I64("rate_bytes_s", settings.http_rate_min),
        LOG_I64("linger_ms", duration_to_ms(settings.http_linger_time)),
        LOG_I64("held_bytes", settings.http_held_max),
        LOG_I64("idempotency_keys", settings.idempotency_keys_max));
}

/* Who asked for nothing is not refused for it, but told. */
static const char *
store_url(void)
{
    static char url[STORE_URL_SIZE_MAX];
    if (strcmp(settings.store_url, "auto") != 0) {
        return settings.store_url;
    }
    err_t err = store_url_default(url);
    if (err == ERR_OK) {
        return url;
    }
    log_warn("no folder for a store, jobs live in memory alone", LOG_ERR(err),
        LOG_STR("hint", "set store.url, or the environment's XDG_STATE_HOME or HOME"));
    return "memory:";
}

static struct shell_config
config_from_settings(void)
{
    struct shell_config config = {
        .http = http_config(),
        .link_listen = settings.link_listen,
        .token = &token,
        .bytes_max = settings.jobs_bytes_max,
        .cancel_grace_ms = (uint32_t) duration_to_ms(settings.cancel_grace),
        .drain_timeout = settings.drain_timeout,
        .store_url = store_url(),
        .store_is_optional = strcmp(settings.store_url, "auto") == 0,
        .store_batch_max = settings.store_batch_max,
        .store_jobs_max = settings.store_jobs_max,
        .store_kept = settings.store_kept,
    };
    core_config_default(&config.core);
    struct core_config *core = &config.core;
    core->jobs_max = settings.jobs_max;
    core->finished_kept = settings.jobs_finished_kept;
    core->workers_max = settings.workers_max;
    core->timeout_default = settings.jobs_timeout;
    core->timeout_max = settings.jobs_timeout_max;
    core->attempts_max = settings.hedge_max_attempts;
    core->hedge_ratio = settings.hedge_ratio;
    core->hedge_burst = settings.hedge_burst;
    core->hedge_work_burst = settings.hedge_work_burst;
    core->hedge_mode =
        settings.hedge_enabled ? (enum hedge_mode) settings.hedge_mode : HEDGE_MODE_OFF;
    core->hedge_utilisation_max = settings.hedge_utilisation_max;
    core->ties_auto = settings.hedge_ties;
    core->hedge_delay = hedge_delay();
    if (settings.hedge_delay.ns != SETTINGS_DELAY_AUTO) {
        core->hedge_samples_min = UINT32_MAX; /* it holds for good: nothing is to be learned */
    }
    core->heartbeat = settings.heartbeat;
    core->heartbeats_missed_max = settings.heartbeats_missed;
    core->cancel_ack_max = settings.cancel_ack_max;
    /* One step can end every job there is, and each must still be there to be answered. */
    core->finished_max = settings.jobs_finished_max > settings.jobs_max
                             ? settings.jobs_finished_max
                             : settings.jobs_max;
    return config;
}

static void
on_signal(void *user, int signal_number)
{
    log_info("signal", LOG_I64("number", signal_number));
    shell_drain(user);
}

static void
on_hangup(void *user, int signal_number)
{
    (void) signal_number;
    shell_reload(user);
}

static void
tell_ready(const struct shell *shell)
{
    char lines[256];
    snprintf(lines, sizeof lines,
        "READY=1\nX_HEDGEROW_HTTP=127.0.0.1:%u\nX_HEDGEROW_LINK=tcp://127.0.0.1:%u\n",
        shell_http_port(shell), shell_link_port(shell));
    err_t err = notify_send(lines);
    if (err != ERR_OK) {
        log_warn("supervisor cannot be told", LOG_ERR(err));
    }
}

static int
run(struct loop *loop, const struct shell_config *config)
{
    struct shell *shell;
    if (shell_new(loop, config, &shell) != ERR_OK) {
        return EXIT_FAILURE; /* it logged why */
    }
    err_t err = loop_on_signal(loop, SIGTERM, on_signal, shell);
    if (err == ERR_OK) {
        err = loop_on_signal(loop, SIGINT, on_signal, shell);
    }
    if (err == ERR_OK) {
        err = loop_on_signal(loop, SIGHUP, on_hangup, shell);
    }
    if (err != ERR_OK) {
        log_error("signals cannot be caught", LOG_ERR(err));
        shell_free(shell);
        return EXIT_FAILURE;
    }
    log_limits();
    log_info("ready", LOG_STR("version", HEDGEROW_VERSION),
        LOG_I64("http_port", shell_http_port(shell)),
        LOG_I64("link_port", shell_link_port(shell)),
        LOG_STR("api_tokens",
            settings.auth_token_file[0] != '\0' ? settings.auth_token_file : "none"),
        LOG_STR("token", token.size > 0 ? token.path : "none, loopback only"),
        LOG_I64("memory_bytes_max", shell_memory_size_max(config)));
    tell_ready(shell);
    loop_run(loop);
    shell_free(shell);
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    const struct settings_source source = {
        .program = SETTINGS_C,
        .name = "hedgerow-coordinator",
        .about = "Takes jobs, sends each to workers, and answers with the first good reply.",
        .argc = argc,
        .argv = argv,
        .environment = environ,
        .read_file = yaml_read,
    };
    int exit_code;
    if (!settings_start(&settings, &source, &exit_code)) {
        return exit_code;
    }
    settings_log_init(&settings, "coordinator");
    signal(SIGPIPE, SIG_IGN);
    err_t err = token_load(settings.link_token_file, &token);
    if (err != ERR_OK) {
        log_error("link token cannot be read", LOG_STR("file", token.path), LOG_ERR(err));
        return EXIT_FAILURE;
    }
    struct loop *loop;
    err = loop_new(&loop);
    if (err != ERR_OK) {
        log_error("event loop cannot be made", LOG_ERR(err));
        return EXIT_FAILURE;
    }
    const struct shell_config config = config_from_settings();
    exit_code = run(loop, &config);
    loop_free(loop);
    return exit_code;
}
