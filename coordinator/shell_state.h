/* SPDX-License-Identifier: MIT
 *
 * coordinator/shell_state.h - what the shell's files share; nobody else includes it.
 *
 *     shell.c          life: open, drain, close
 *     shell_step.c     one step: event, commands, answers
 *     shell_links.c    frames -> events
 *     shell_backend.c  requests -> events
 */
#ifndef COORDINATOR_SHELL_STATE_H
#define COORDINATOR_SHELL_STATE_H

#include "coordinator/deferred.h"
#include "coordinator/durable.h"
#include "coordinator/ledger.h"
#include "coordinator/shell.h"

struct shell {
    struct loop *loop;
    struct core *core;
    struct links *links;
    struct api *api;
    struct ledger *ledger;
    struct durable *durable; /* NULL: jobs live in memory alone */
    uint32_t jobs_max;
    duration_t timeout_default;
    duration_t timeout_max;
    struct loop_timer *timer;
    struct loop_timer *drain_timer;
    struct loop_wake *answer_wake;
    duration_t drain_timeout;
    duration_t shutdown_grace; /* from cancelling what is left to ending anyway */
    instant_t drain_until;
    uint64_t epoch;
    instant_t started_at;
    uint64_t started_unix_ms;
    bool draining;
    bool drain_gave_up;
    bool answering; /* api_answer is on the stack, or must not be called yet */

    const struct wire_result *reply; /* during the step of a REPLY: its bytes */
    struct core_command refusal;     /* of the step of a SUBMIT */
    bool refused;

    struct deferred deferred;
    job_id_t *answers; /* terminal jobs whose waiters were not told yet: a ring */
    uint32_t answers_max;
    uint32_t answers_first;
    uint32_t answers_count;
};

/* Feed one event, do what the core commands, answer who waited for it. */
void shell_step(struct shell *shell, const struct core_event *event);
/* The job is terminal, and whoever waits for it may know. */
void shell_step_tell(struct shell *shell, job_id_t job);
/* Call back everyone whose job became terminal; does nothing when it is on the stack. */
void shell_step_deliver(struct shell *shell);

struct links_events shell_links_events(struct shell *shell);
struct api_backend shell_backend(struct shell *shell);

#endif
