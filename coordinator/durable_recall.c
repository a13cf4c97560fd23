/* SPDX-License-Identifier: MIT */
#include "coordinator/durable_state.h"

#include <stdio.h>
#include <stdlib.h>

/* A look under way, and whom it is for. */
struct look {
    struct durable *durable;
    api_ticket_t ticket;
    struct api_recall recall;
};

static struct api_record
record_of(const struct store_job *job)
{
    return (struct api_record){ .job = job->id,
        .handler = job->handler,
        .state = job->outcome,
        .document = { (const char *) job->document.at, job->document.size },
        .has_result = job->result.at != NULL || job->result.size == 0,
        .result = { .bytes = job->result.at,
            .size = job->result.size,
            .content_type = job->result_type } };
}

static void
on_looked(void *user, struct store_op *op)
{
    struct look *look = user;
    struct durable *durable = look->durable;
    static struct api_record records[STORE_PAGE_MAX];
    uint32_t count = 0;
    if (op->err == ERR_OK && op->kind == STORE_READ && op->job.state == STORED_ENDED) {
        records[count++] = record_of(&op->job);
    }
    for (uint32_t i = 0; op->err == ERR_OK && i < op->page_count; i++) {
        records[count++] = record_of(&op->page[i]);
    }
    api_recalled(durable->shell->api, look->ticket, &look->recall, records, count);
    store_op_free(durable->store, op);
    durable->looks_count--;
    free(look);
}

bool
durable_recall(struct durable *durable, api_ticket_t ticket, const struct api_recall *recall)
{
    struct store_op *op;
    if (durable->looks_count >= DURABLE_LOOKS_MAX) {
        return false;
    }
    struct look *look = malloc(sizeof *look);
    bool is_list = recall->what == RECALL_LIST;
    if (look == NULL ||
        store_op_new(durable->store, is_list ? STORE_LIST : STORE_READ, &op) != ERR_OK) {
        free(look);
        return false;
    }
    *look = (struct look){ .durable = durable, .ticket = ticket, .recall = *recall };
    op->job.id = recall->job;
    op->wants_result = recall->what == RECALL_RESULT;
    snprintf(op->want_handler, sizeof op->want_handler, "%s", recall->handler);
    snprintf(op->want_outcome, sizeof op->want_outcome, "%s", recall->state);
    durable->looks_count++;
    op->on_done = on_looked;
    op->user = look;
    store_do(durable->store, op);
    return true;
}
