/* SPDX-License-Identifier: MIT */
#include "common/edge/crypto.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/shell_state.h"

#include <stdlib.h>
#include <string.h>

#define DRAIN_LOOK_EVERY duration_ms(10)

static void
on_timer(void *user)
{
    shell_step(user, &(struct core_event){ .kind = EVENT_TIMER });
}

static void
on_answer_wake(void *user)
{
    shell_step_deliver(user);
}

static void
cancel_all(struct shell *shell)
{
    job_id_t ids[256];
    uint32_t count;
    /* Terminal ones keep their places in the list, so each page is read once. */
    for (uint32_t offset = 0;
         (count = core_jobs_recent(shell->core, offset, ids, ARRAY_COUNT(ids))) > 0;
         offset += count) {
        for (uint32_t i = 0; i < count; i++) {
            struct job_view view;
            if (core_job(shell->core, ids[i], &view) && view.state <= JOB_RUNNING) {
                shell_step(shell, &(struct core_event){ .kind = EVENT_CANCEL,
                                      .job = { .job = ids[i], .cause = CAUSE_SHUTDOWN } });
            }
        }
    }
}

/* Nothing runs, nobody waits, and every answer has left. */
static bool
is_drained(const struct shell *shell)
{
    const struct core_counters *counters = core_counters(shell->core);
    return counters->jobs_live_count == 0 && counters->attempts_live_count == 0 &&
           (shell->durable == NULL || durable_is_idle(shell->durable)) &&
           api_is_idle(shell->api);
}

static void
drain_give_up(struct shell *shell)
{
    uint32_t live_count = core_counters(shell->core)->jobs_live_count;
    log_warn("drain took too long, cancelling", LOG_I64("jobs", live_count));
    shell->drain_gave_up = true;
    shell->drain_until = instant_add(clock_now(), shell->shutdown_grace);
    cancel_all(shell);
}

static void
on_drain_timer(void *user)
{
    struct shell *shell = user;
    instant_t now = clock_now();
    bool is_over = instant_reached(now, shell->drain_until);
    if (is_drained(shell) || (is_over && shell->drain_gave_up)) {
        log_info("drained");
        loop_stop(shell->loop);
        return;
    }
    if (is_over) {
        drain_give_up(shell);
    }
    loop_timer_arm(shell->drain_timer, instant_add(now, DRAIN_LOOK_EVERY));
}

void
shell_drain(struct shell *shell)
{
    if (shell->draining) {
        drain_give_up(shell);
        return;
    }
    shell->draining = true;
    log_info("draining", LOG_I64("jobs", core_counters(shell->core)->jobs_live_count));
    api_close(shell->api);
    if (shell->durable != NULL) {
        durable_drain(shell->durable);
    }
    shell->drain_until = instant_add(clock_now(), shell->drain_timeout);
    shell_step(shell, &(struct core_event){ .kind = EVENT_DRAIN });
    on_drain_timer(shell);
}

static err_t
new_parts(struct shell *shell, const struct shell_config *config)
{
    err_t err = core_new(&config->core, &shell->core);
    if (err != ERR_OK) {
        log_error("core cannot be made", LOG_ERR(err));
        return err;
    }
    err = deferred_init(&shell->deferred, &config->core);
    if (err != ERR_OK) {
        return err;
    }
    bool has_store = strcmp(config->store_url, "memory:") != 0;
    uint32_t entries_max = config->core.jobs_max + config->core.finished_max +
                           (has_store ? config->store_jobs_max : 0);
    shell->answers_max = entries_max;
    shell->answers = calloc(entries_max, sizeof *shell->answers);
    if (shell->answers == NULL) {
        return ERR_NO_MEMORY;
    }
    err = ledger_new(&(struct ledger_config){ .entries_max = entries_max,
                         .waiters_max = config->core.jobs_max + config->http.connections_max,
                         .bytes_max = config->bytes_max },
        &shell->ledger);
    if (err == ERR_OK) {
        err = loop_timer_new(shell->loop, on_timer, shell, &shell->timer);
    }
    if (err == ERR_OK) {
        err = loop_timer_new(shell->loop, on_drain_timer, shell, &shell->drain_timer);
    }
    if (err == ERR_OK) {
        err = loop_wake_new(shell->loop, on_answer_wake, shell, &shell->answer_wake);
    }
    return err;
}

static err_t
open_links(struct shell *shell, const struct shell_config *config)
{
    const struct links_config links = {
        .listen_url = config->link_listen,
        .token = config->token->size > 0 ? config->token->bytes : NULL,
        .token_size = config->token->size,
        .epoch = shell->epoch,
        .links_max = config->core.workers_max,
        .cancel_grace_ms = config->cancel_grace_ms,
        .heartbeat_ms = (uint32_t) duration_to_ms(config->core.heartbeat),
        .missed_max = config->core.heartbeats_missed_max,
    };
    const struct links_events events = shell_links_events(shell);
    err_t err = links_new(shell->loop, &links, &events, &shell->links);
    if (err != ERR_OK) {
        log_error(
            "cannot listen for workers", LOG_STR("url", config->link_listen), LOG_ERR(err));
    }
    return err;
}

static err_t
open_api(struct shell *shell, const struct shell_config *config)
{
    const struct api_backend backend = shell_backend(shell);
    char why[API_WHY_SIZE_MAX];
    err_t err = api_new(shell->loop, &config->http, &backend, &shell->api, why);
    if (err != ERR_OK) {
        log_error("cannot listen for the API", LOG_STR("address", config->http.listen),
            LOG_STR("why", why));
    }
    return err;
}

static err_t
open_store(struct shell *shell, const struct shell_config *config)
{
    if (strcmp(config->store_url, "memory:") == 0) {
        return ERR_OK;
    }
    err_t err = durable_open(shell,
        &(struct durable_config){ .url = config->store_url,
            .batch_max = config->store_batch_max,
            .jobs_max = config->store_jobs_max,
            .kept = config->store_kept },
        &shell->durable);
    if (err != ERR_OK && config->store_is_optional) {
        log_warn("jobs live in memory alone: name a store of its own in store.url",
            LOG_STR("url", config->store_url), LOG_ERR(err));
        return ERR_OK;
    }
    return err;
}

err_t
shell_new(struct loop *loop, const struct shell_config *config, struct shell **ret_shell)
{
    struct shell *shell = calloc(1, sizeof *shell);
    if (shell == NULL) {
        return ERR_NO_MEMORY;
    }
    shell->loop = loop;
    shell->drain_timeout = config->drain_timeout;
    shell->jobs_max = config->core.jobs_max;
    shell->timeout_default = config->core.timeout_default;
    shell->timeout_max = config->core.timeout_max;
    shell->shutdown_grace = duration_ms((int64_t) config->cancel_grace_ms + 500);
    shell->started_at = clock_now();
    shell->started_unix_ms = clock_unix_ms();
    crypto_random(&shell->epoch, sizeof shell->epoch);
    err_t err = new_parts(shell, config);
    if (err == ERR_OK) {
        err = open_store(shell, config);
    }
    if (err == ERR_OK) {
        err = open_links(shell, config);
    }
    if (err == ERR_OK) {
        err = open_api(shell, config);
    }
    if (err != ERR_OK) {
        shell_free(shell);
        return err;
    }
    *ret_shell = shell;
    return ERR_OK;
}

void
shell_free(struct shell *shell)
{
    if (shell == NULL) {
        return;
    }
    api_free(shell->api);
    shell->api = NULL;
    links_free(shell->links); /* hands back every input that it borrowed */
    durable_close(shell->durable);
    loop_timer_free(shell->timer);
    loop_timer_free(shell->drain_timer);
    loop_wake_free(shell->answer_wake);
    ledger_free(shell->ledger);
    core_free(shell->core);
    deferred_fini(&shell->deferred);
    free(shell->answers);
    free(shell);
}

void
shell_reload(struct shell *shell)
{
    char why[API_WHY_SIZE_MAX];
    if (api_reload(shell->api, why) == ERR_OK) {
        log_info("tokens read again");
    } else {
        log_error("tokens stay as they were", LOG_STR("why", why));
    }
}

uint16_t
shell_http_port(const struct shell *shell)
{
    return api_port(shell->api);
}

uint16_t
shell_link_port(const struct shell *shell)
{
    return links_port(shell->links);
}

uint64_t
shell_memory_size_max(const struct shell_config *config)
{
    return core_memory_size(&config->core) + deferred_memory_size(&config->core) +
           config->bytes_max + api_memory_size_max(&config->http);
}
