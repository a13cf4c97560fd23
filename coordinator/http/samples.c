/* SPDX-License-Identifier: MIT
 *
 * GET /v1/hedging/{handler}/samples: what its copies of late were like, a line of JSON each.
 */
#include "coordinator/http/state.h"

#define PAGE_SIZE_MAX 1000

static bool
find_handler(const struct core *core, const char *name, uint32_t *ret_index)
{
    struct handler_view handler;
    for (uint32_t i = 0; i < core_handlers_count(core); i++) {
        core_handler_at(core, i, &handler);
        if (strcmp(handler.name, name) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static void
write_sample(struct out *out, const struct core_sample *sample)
{
    out_open(out, '{');
    out_key(out, "number");
    out_u64(out, sample->number);
    out_key(out, "arrived_ms");
    out_ms(out, (duration_t){ .ns = sample->arrived_at.ns });
    out_key(out, "sent_ms");
    out_ms(out, (duration_t){ .ns = sample->sent_at.ns });
    out_key(out, "took_ms");
    out_ms(out, sample->took);
    out_key(out, "queued_ms");
    out_ms(out, sample->queued);
    out_key(out, "ran_ms");
    out_ms(out, sample->ran);
    out_key(out, "input_size");
    out_u64(out, sample->input_size);
    out_key(out, "attempt");
    out_u64(out, sample->attempt);
    out_key(out, "kind");
    out_string(out, slice_of(attempt_kind_text(sample->kind)));
    out_key(out, "state");
    out_string(out, slice_of(attempt_state_text(sample->state)));
    out_key(out, "censored");
    out_bool(out, sample->is_censored);
    out_close(out, '}');
    out->wants_comma = false; /* the next line is a value of its own */
    out_add(out, SLICE("\n"));
}

struct page {
    uint64_t after;
    uint64_t size;
};

static void
write_samples(struct out *out, const struct core *core, uint32_t handler, struct page page)
{
    struct core_sample samples[64];
    uint64_t left = page.size < PAGE_SIZE_MAX ? page.size : PAGE_SIZE_MAX;
    uint32_t count = 1;
    for (; left > 0 && count > 0; left -= count) {
        uint32_t room = left < ARRAY_COUNT(samples) ? (uint32_t) left : ARRAY_COUNT(samples);
        count = core_samples(core, handler, page.after, samples, room);
        for (uint32_t i = 0; i < count; i++) {
            write_sample(out, &samples[i]);
            page.after = samples[i].number;
        }
    }
}

/* false: answered. */
static bool
read_number(struct request *request, const struct query_part *part, const char *name,
    uint64_t *ret_number)
{
    if (part->value[0] == '\0' || slice_to_u64(slice_of(part->value), ret_number)) {
        return true;
    }
    reply_bad_field(request->conn, name, NULL, "%s is no whole number", name);
    return false;
}

void
handle_samples(struct request *request)
{
    static const char *const known[] = { "after", "page_size" };
    struct api *api = request->conn->api;
    const struct core *core = api->backend.core(api->backend.shell);
    struct query_part values[ARRAY_COUNT(known)];
    uint64_t after = 0;
    uint64_t page_size = PAGE_SIZE_MAX;
    uint32_t handler;
    if (!query_read(request, known, ARRAY_COUNT(known), values) ||
        !read_number(request, &values[0], known[0], &after) ||
        !read_number(request, &values[1], known[1], &page_size)) {
        return;
    }
    if (page_size == 0) {
        reply_bad_field(request->conn, "page_size", NULL, "page_size is above 0");
        return;
    }
    if (!find_handler(core, request->capture, &handler)) {
        const struct core_command refuse = { .kind = COMMAND_REFUSE,
            .refuse = { .why = SUBMIT_UNKNOWN_HANDLER } };
        reply_refused(request->conn, request->capture, &refuse);
        return;
    }
    struct out *out = &api->out;
    out_reset(out);
    write_samples(out, core, handler, (struct page){ after, page_size });
    if (out->has_failed) {
        reply_no_memory(request->conn);
        return;
    }
    reply_send(request->conn,
        &(struct reply){
            .status = 200, .content_type = "application/x-ndjson", .body = out_slice(out) });
}
