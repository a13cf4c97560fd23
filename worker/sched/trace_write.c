/* SPDX-License-Identifier: MIT
 *
 * The recorder's events as Chrome's trace JSON, which Perfetto reads: a track for each
 * thread, a slice for each run of a fiber, marks for what else happened, and an arrow from
 * who readied a fiber to the run that came of it.
 *
 * What is cut off by the ring's end is left out, except for the run that goes on: it ends
 * with the recording.
 */
#include "worker/sched/trace.h"

#include "worker/sched/idle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 8 * 1024, /* a fiber's stack holds it */
    LINE_SIZE = 768,
    NAME_SIZE = 96,
    PATH_SIZE = 1024
};

struct writer {
    int fd;
    int err;
    bool has_first;
    size_t used;
    struct trace_copy run; /* the one that is open; kind NONE: none */
    uint64_t end_ns;
    uint32_t tid;
    char bytes[BUFFER_SIZE];
};

static void
flush(struct writer *writer)
{
    size_t done = 0;
    while (writer->err == 0 && done < writer->used) {
        ssize_t wrote = write(writer->fd, writer->bytes + done, writer->used - done);
        if (wrote >= 0) {
            done += (size_t) wrote;
        } else if (errno != EINTR) {
            writer->err = -errno;
        }
    }
    writer->used = 0;
}

static __attribute__((format(printf, 2, 3))) void
say(struct writer *writer, const char *format, ...)
{
    if (sizeof writer->bytes - writer->used < LINE_SIZE) {
        flush(writer);
    }
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(writer->bytes + writer->used, LINE_SIZE, format, arguments);
    va_end(arguments);
    writer->used += size < 0 ? 0 : size < LINE_SIZE ? (size_t) size : LINE_SIZE - 1;
}

/* Names are the user's: as JSON has them, cut where they are long. */
static const char *
quoted(const char *text, char room[static NAME_SIZE])
{
    size_t used = 0;
    for (text = text != NULL ? text : "?"; *text != '\0' && used < NAME_SIZE - 3; text++) {
        if (*text == '"' || *text == '\\') {
            room[used++] = '\\';
        }
        room[used++] = (unsigned char) *text < ' ' ? ' ' : *text;
    }
    room[used] = '\0';
    return room;
}

static void
begin(struct writer *writer, const char *phase, uint64_t when_ns)
{
    say(writer, "%s\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":%u,\"ts\":%" PRIu64 ".%03u",
        writer->has_first ? "," : "", phase, (int) getpid(), writer->tid, when_ns / 1000,
        (unsigned) (when_ns % 1000));
    writer->has_first = true;
}

/* An arrow's two ends meet by the fiber and the moment when it was readied. */
static void
say_arrow(struct writer *writer, const char *phase, const struct trace_copy *event)
{
    if (event->value == 0) {
        return;
    }
    begin(writer, phase, event->when_ns);
    say(writer, ",\"bp\":\"e\",\"cat\":\"wake\",\"name\":\"wake\",\"id\":\"%u:%" PRIu64 "\"}",
        event->fiber, event->value);
}

static void
end_run(struct writer *writer, uint64_t end_ns, const char *how)
{
    const struct trace_copy *run = &writer->run;
    char name[NAME_SIZE], why[NAME_SIZE];
    if (run->kind != TRACE_RUN) {
        return;
    }
    uint64_t took = end_ns > run->when_ns ? end_ns - run->when_ns : 0;
    begin(writer, "X", run->when_ns);
    say(writer,
        ",\"dur\":%" PRIu64 ".%03u,\"cat\":\"fiber\",\"name\":\"%s\",\"args\":{\"fiber\":%u,"
        "\"proc\":%u,\"end\":\"%s\"",
        took / 1000, (unsigned) (took % 1000), quoted(run->text, name), run->fiber, run->proc,
        quoted(how, why));
    if (run->value != 0 && run->when_ns >= run->value) {
        say(writer, ",\"queued_us\":%.3f", (double) (run->when_ns - run->value) / 1e3);
    }
    say(writer, "}}");
    say_arrow(writer, "f", run);
    writer->run.kind = TRACE_NONE;
}

static void
mark(struct writer *writer, const struct trace_copy *event, const char *what)
{
    char name[NAME_SIZE];
    begin(writer, "i", event->when_ns);
    say(writer, ",\"s\":\"t\",\"cat\":\"sched\",\"name\":\"%s\",\"args\":{\"proc\":%u", what,
        event->proc);
    if (event->kind == TRACE_READY || event->kind == TRACE_SPAWN) {
        say(writer, ",\"fiber\":%u", event->fiber);
    } else {
        say(writer, ",\"value\":%" PRIu64, event->value);
    }
    if (event->text != NULL) {
        say(writer, ",\"text\":\"%s\"", quoted(event->text, name));
    }
    say(writer, "}}");
}

static void
say_event(struct writer *writer, const struct trace_copy *event)
{
    switch (event->kind) {
    case TRACE_RUN: writer->run = *event; break;
    case TRACE_PARK: end_run(writer, event->when_ns, event->text); break;
    case TRACE_YIELD: end_run(writer, event->when_ns, "yield"); break;
    case TRACE_MOVED: end_run(writer, event->when_ns, "lost its proc"); break;
    case TRACE_END: end_run(writer, event->when_ns, "end"); break;
    case TRACE_READY:
    case TRACE_SPAWN:
        mark(writer, event, event->kind == TRACE_READY ? "ready" : "spawn");
        if (writer->run.kind == TRACE_RUN) {
            say_arrow(writer, "s", event); /* from a slice, or Perfetto has no place for it */
        }
        break;
    case TRACE_STEAL: mark(writer, event, "steal"); break;
    case TRACE_HANDOFF: mark(writer, event, "hand-off"); break;
    case TRACE_CANCEL: mark(writer, event, "cancel"); break;
    case TRACE_NONE:
    case TRACE_KIND_COUNT: break;
    }
}

static void
say_ring(void *user, const struct trace_ring *ring)
{
    struct writer *writer = user;
    writer->tid = ring->number;
    writer->run.kind = TRACE_NONE;
    begin(writer, "M", 0);
    if (ring->thread == NULL) {
        say(writer, ",\"name\":\"thread_name\",\"args\":{\"name\":\"outside\"}}");
    } else {
        say(writer, ",\"name\":\"thread_name\",\"args\":{\"name\":\"thread %u\"}}",
            ring->number);
    }
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t index = head > ring->mask ? head - ring->mask : 0;
    for (; index < head; index++) {
        struct trace_copy event;
        if (trace_copy(ring, index, &event) && event.when_ns <= writer->end_ns) {
            say_event(writer, &event);
        } else {
            writer->run.kind = TRACE_NONE; /* a gap: who ran then, we do not know */
        }
    }
    end_run(writer, writer->end_ns, "runs on");
}

int
hr_trace_write(int fd)
{
    struct writer writer = { .fd = fd, .end_ns = (uint64_t) hr_now() };
    say(&writer, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    trace_each(say_ring, &writer);
    say(&writer, "\n]}\n");
    flush(&writer);
    return writer.err;
}

/* ---- by a signal ---- */

static _Atomic uint32_t is_asked;
static char asked_path[PATH_SIZE];

static void
on_trace_signal(int number)
{
    (void) number;
    atomic_store_explicit(&is_asked, 1, memory_order_relaxed);
    idle_poke_sysmon(); /* an atomic and a futex call: fit for a handler */
}

int
hr_trace_on_signal(int signal_number, const char *path)
{
    if (strlen(path) >= sizeof asked_path) {
        return -EINVAL;
    }
    memcpy(asked_path, path, strlen(path) + 1);
    struct sigaction action = { .sa_handler = on_trace_signal,
        .sa_flags = SA_RESTART | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    return sigaction(signal_number, &action, NULL) == 0 ? 0 : -EINVAL;
}

int
hr_trace_save(const char *path)
{
    char part[PATH_SIZE + 8];
    int size = snprintf(part, sizeof part, "%s.part", path);
    if (size < 0 || (size_t) size >= sizeof part) {
        return -EINVAL;
    }
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    int err = hr_trace_write(fd);
    close(fd);
    if (err == 0 && rename(part, path) != 0) {
        err = -errno;
    }
    if (err != 0) {
        unlink(part);
    }
    return err;
}

void
trace_if_asked(void)
{
    if (atomic_exchange_explicit(&is_asked, 0, memory_order_relaxed) != 0) {
        int err = hr_trace_save(asked_path);
        if (err != 0) {
            fprintf(stderr, "hedgerow: cannot write the trace to %s: %s\n", asked_path,
                strerror(-err));
        }
    }
}
