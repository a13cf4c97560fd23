/* SPDX-License-Identifier: MIT */
#include "coordinator/core/core.h"

const char *
job_state_text(enum job_state state)
{
    switch (state) {
    case JOB_QUEUED: return "QUEUED";
    case JOB_RUNNING: return "RUNNING";
    case JOB_SUCCEEDED: return "SUCCEEDED";
    case JOB_FAILED: return "FAILED";
    case JOB_CANCELLED: return "CANCELLED";
    case JOB_DEADLINE_EXCEEDED: return "DEADLINE_EXCEEDED";
    }
    CHECK_UNREACHABLE();
}

const char *
attempt_state_text(enum attempt_state state)
{
    switch (state) {
    case ATTEMPT_QUEUED: return "QUEUED";
    case ATTEMPT_RUNNING: return "RUNNING";
    case ATTEMPT_WON: return "WON";
    case ATTEMPT_LOST: return "LOST";
    case ATTEMPT_STOPPED: return "STOPPED";
    case ATTEMPT_EXPIRED: return "EXPIRED";
    case ATTEMPT_FAILED: return "FAILED";
    case ATTEMPT_BUSY: return "BUSY";
    case ATTEMPT_LATE: return "LATE";
    case ATTEMPT_ABANDONED: return "ABANDONED";
    case ATTEMPT_UNREACHABLE: return "UNREACHABLE";
    }
    CHECK_UNREACHABLE();
}

const char *
attempt_kind_text(enum attempt_kind kind)
{
    switch (kind) {
    case ATTEMPT_PRIMARY: return "primary";
    case ATTEMPT_HEDGE: return "hedge";
    case ATTEMPT_RETRY: return "retry";
    case ATTEMPT_REDISPATCH: return "redispatch";
    case ATTEMPT_RACE: return "race";
    case ATTEMPT_TIE: return "tie";
    }
    CHECK_UNREACHABLE();
}

const char *
cancel_cause_text(enum cancel_cause cause)
{
    switch (cause) {
    case CAUSE_NONE: return "none";
    case CAUSE_LOST_RACE: return "lost_race";
    case CAUSE_DEADLINE: return "deadline";
    case CAUSE_USER: return "user";
    case CAUSE_CLIENT_GONE: return "client_gone";
    case CAUSE_PARENT: return "parent";
    case CAUSE_DRAIN: return "drain";
    case CAUSE_SHUTDOWN: return "shutdown";
    }
    CHECK_UNREACHABLE();
}

const char *
cancel_fate_text(enum cancel_fate fate)
{
    switch (fate) {
    case FATE_NONE: return "none";
    case FATE_NOT_SEEN: return "not_seen";
    case FATE_DEQUEUED: return "dequeued";
    case FATE_STOPPED: return "stopped";
    case FATE_COMPLETED: return "completed";
    }
    CHECK_UNREACHABLE();
}

const char *
hedge_refusal_text(enum hedge_refusal refusal)
{
    switch (refusal) {
    case HEDGE_NOT_REFUSED: return "none";
    case HEDGE_NOT_IDEMPOTENT: return "not_idempotent";
    case HEDGE_BUDGET: return "budget";
    case HEDGE_NO_SPARE_WORKER: return "no_spare_worker";
    case HEDGE_DEADLINE_TOO_CLOSE: return "deadline_too_close";
    case HEDGE_OVERLOAD: return "overload";
    case HEDGE_BUSY: return "busy";
    case HEDGE_NOT_PAYING: return "not_paying";
    case HEDGE_OFF: return "off";
    case HEDGE_REFUSALS_COUNT: break;
    }
    CHECK_UNREACHABLE();
}

const char *
hedge_source_text(enum hedge_source source)
{
    switch (source) {
    case HEDGE_DELAY_NONE: return "none";
    case HEDGE_DELAY_POLICY: return "policy";
    case HEDGE_DELAY_SETTINGS: return "settings";
    case HEDGE_DELAY_LEARNED: return "learned";
    case HEDGE_DELAY_ORDER: return "order";
    case HEDGE_DELAY_NOW: return "mode";
    }
    CHECK_UNREACHABLE();
}

const char *
hedge_mode_text(enum hedge_mode mode)
{
    switch (mode) {
    case HEDGE_MODE_ECONOMY: return "economy";
    case HEDGE_MODE_LATENCY: return "latency";
    case HEDGE_MODE_OFF: return "off";
    }
    CHECK_UNREACHABLE();
}

const char *
job_mode_text(enum job_mode mode)
{
    switch (mode) {
    case MODE_SINGLE: return "single";
    case MODE_HEDGE: return "hedge";
    case MODE_RACE: return "race";
    case MODE_TIED: return "tied";
    }
    CHECK_UNREACHABLE();
}

const char *
worker_state_text(enum worker_state state)
{
    switch (state) {
    case WORKER_LIVE: return "live";
    case WORKER_SUSPECT: return "suspect";
    case WORKER_DRAINING: return "draining";
    case WORKER_DEAD: return "dead";
    }
    CHECK_UNREACHABLE();
}
