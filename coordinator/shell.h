/* SPDX-License-Identifier: MIT
 *
 * coordinator/shell.h - the coordinator's body: turns frames, requests and time into the
 * core's events, and its commands into frames and answers.
 *
 *     API ---submit, gone, cancel--.                    .--api_answer---> API
 *     links --up, message, down----|--> core_step() ----|--send, cancel-> links
 *     timer --core_wake_at---------'                    '--forget-------> ledger
 *
 * One step at a time: what a command makes happen at once (a link that is full, an answer
 * that lets a pipelined request in) is queued and fed after the commands are taken.
 *
 * INVARIANTS  S1  every ACCEPT has an entry in the ledger until its FORGET
 *             S2  an answered ticket is never answered again, nor told gone
 * THREADS     loop
 */
#ifndef COORDINATOR_SHELL_H
#define COORDINATOR_SHELL_H

#include "common/edge/loop.h"
#include "common/sys/token.h"
#include "coordinator/core/core.h"
#include "coordinator/http/api.h"
#include "coordinator/link/link.h"

struct shell;

struct shell_config {
    struct core_config core;
    struct api_config http;
    const char *link_listen;
    const struct token *token;
    uint64_t bytes_max; /* inputs and kept results together */
    uint32_t cancel_grace_ms;
    duration_t drain_timeout;
    const char *store_url;  /* "memory:", or a store's */
    bool store_is_optional; /* one that cannot be opened is done without, and told */
    uint32_t store_batch_max;
    uint32_t store_jobs_max;
    duration_t store_kept;
};

/* Errors: those of core_new, links_new and api_new; what failed is logged. */
err_t shell_new(
    struct loop *loop, const struct shell_config *config, struct shell **ret_shell) MUST_USE;
void shell_free(struct shell *shell);
uint16_t shell_http_port(const struct shell *shell);
uint16_t shell_link_port(const struct shell *shell);
/* Accept nothing more; end the loop when the last job is terminal and its answer has left,
 * or cancel what is left when the drain's time is over.  Called again: cancel it now. */
void shell_drain(struct shell *shell);
/* Read what may change while we run (SIGHUP): the API's tokens. */
void shell_reload(struct shell *shell);
/* The bound of all that the coordinator holds, for the log line at its start. */
uint64_t shell_memory_size_max(const struct shell_config *config);

#endif
