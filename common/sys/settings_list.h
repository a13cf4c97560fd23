/* SPDX-License-Identifier: MIT
 *
 * common/sys/settings_list.h - the one table of all settings.
 *
 * A new setting is one line here: its field in struct settings, its flag, its environment
 * variable, its check and its help follow.
 *
 *     X(type, field, key, programs, default, least, most, words, unit, help)
 *
 * key       also the flag (`jobs.timeout_max` is --jobs-timeout-max) and the variable
 *           (HEDGEROW_JOBS_TIMEOUT_MAX).
 * programs  which of the binaries it concerns: C coordinator, W worker.
 * least, most  in the type's own words; "" for none.  STRING: most is its size in bytes.
 * words     values that are words, comma-separated.  ENUM: the field is the word's index.
 *           DURATION: the n-th word (from 0) is -1 - n ns.  U32: the only word is 0.
 */
#ifndef COMMON_SYS_SETTINGS_LIST_H
#define COMMON_SYS_SETTINGS_LIST_H

#define SETTINGS_C  1u
#define SETTINGS_W  2u
#define SETTINGS_CW (SETTINGS_C | SETTINGS_W)

/* clang-format off */
#define SETTINGS_LIST(X)                                                                       \
    X(STRING, http_listen, "http.listen", SETTINGS_C, "127.0.0.1:8080", "", "", "", "",        \
        "address and port of the HTTP API; port 0 takes any that is free")                     \
    X(U32, http_connections_max, "http.connections_max", SETTINGS_C, "1024", "1", "65536", "", \
        "connections", "clients connected at once")                                            \
    X(U32, http_peer_max, "http.peer_max", SETTINGS_C, "auto", "1", "65536", "auto",           \
        "connections",                                                                         \
        "of one address that is not this machine's; auto: a quarter of all")                   \
    X(STRING, http_hosts, "http.hosts", SETTINGS_C, "", "", "1023", "", "bytes",               \
        "names that requests may be for, comma-separated; none: any, on loopback only "        \
        "localhost")                                                                           \
    X(SIZE, http_line_max, "http.line_max", SETTINGS_C, "8KiB", "512", "16KiB", "", "bytes",   \
        "longest request line")                                                                \
    X(SIZE, http_headers_size_max, "http.headers_size_max", SETTINGS_C, "16KiB", "1KiB",       \
        "32KiB", "", "bytes",                                                                  \
        "header lines of a request together")                                                  \
    X(U32, http_headers_max, "http.headers_max", SETTINGS_C, "64", "8", "64", "", "lines",     \
        "header lines of a request")                                                           \
    X(SIZE, http_held_max, "http.held_max", SETTINGS_C, "256MiB", "1MiB", "1TiB", "", "bytes", \
        "request bodies coming in and answers leaving, of all clients together")               \
    X(DURATION, http_head_time, "http.head_time", SETTINGS_C, "5s", "10ms", "1h", "", "",      \
        "from a request's first byte to its last header line, however it drips")               \
    X(DURATION, http_idle_time, "http.idle_time", SETTINGS_C, "30s", "10ms", "24h", "", "",    \
        "a connection without a request is closed after so long")                              \
    X(DURATION, http_window_time, "http.window_time", SETTINGS_C, "10s", "10ms", "1h", "", "", \
        "how often a body, and the reading of an answer, must have kept http.rate_min")        \
    X(SIZE, http_rate_min, "http.rate_min", SETTINGS_C, "8KiB", "1", "1GiB", "",               \
        "bytes each second",                                                                   \
        "slowest body, and slowest reader of an answer")                                       \
    X(DURATION, http_linger_time, "http.linger_time", SETTINGS_C, "5s", "10ms", "1m", "", "",  \
        "to read an answer after which the connection is closed")                              \
    X(U32, idempotency_keys_max, "idempotency.keys_max", SETTINGS_C, "100000", "1",            \
        "10000000", "", "keys",                                                                \
        "Idempotency-Keys remembered; past it the oldest is forgotten")                        \
    X(DURATION, idempotency_kept, "idempotency.kept", SETTINGS_C, "24h", "1s", "720h", "", "", \
        "how long an Idempotency-Key is remembered")                                           \
    X(U32, events_kept, "events.kept", SETTINGS_C, "16384", "16", "1000000", "", "events",     \
        "kept for event streams whose clients come back")                                      \
    X(FILE, auth_token_file, "auth.token_file", SETTINGS_C, "", "", "", "", "",                \
        "file with the hashes of the API's tokens; none: everybody may do everything")         \
    X(BOOL, auth_insecure, "auth.insecure", SETTINGS_C, "false", "", "", "", "",               \
        "let the API listen beyond this machine without tokens")                               \
    X(STRING, link_listen, "link.listen", SETTINGS_C, "tcp://127.0.0.1:7400", "", "", "", "",  \
        "where workers dial in: tcp://HOST:PORT or ipc:///PATH")                               \
    X(FILE, link_token_file, "link.token_file", SETTINGS_CW, "", "", "", "", "",               \
        "file with the secret that workers and coordinator share")                             \
    X(U32, workers_max, "workers.max", SETTINGS_C, "1024", "1", "10000", "", "workers",        \
        "workers linked at once")                                                              \
    X(STRING, worker_dial, "worker.dial", SETTINGS_W, "tcp://127.0.0.1:7400", "", "", "", "",  \
        "the coordinator's link address")                                                      \
    X(STRING, worker_name, "worker.name", SETTINGS_W, "", "", "63", "", "bytes",               \
        "name of this worker; by default HOSTNAME-PID")                                        \
    X(STRING, worker_zone, "worker.zone", SETTINGS_W, "", "", "63", "", "bytes",               \
        "failure domain; a second copy goes to another zone first")                            \
    X(U32, worker_slots, "worker.slots", SETTINGS_W, "auto", "1", "65536", "auto", "slots",    \
        "attempts that run at once; auto: one a core for cpu handlers, 256 for others")        \
    X(U32, worker_queue, "worker.queue", SETTINGS_W, "256", "0", "65536", "", "attempts",      \
        "attempts that may wait for a slot before the worker answers BUSY")                    \
    X(STALL, worker_stall, "worker.stall", SETTINGS_W, "", "", "", "", "",                     \
        "chaos: stall this share of attempts for so long, such as 5%:300ms")                   \
    X(STRING, worker_metrics_listen, "worker.metrics_listen", SETTINGS_W, "", "", "255", "",   \
        "bytes", "HOST:PORT of this worker's GET /metrics; port 0: any; empty: none")          \
    X(STRING, worker_trace_file, "worker.trace_file", SETTINGS_W, "", "", "1000", "", "bytes", \
        "record the scheduler; the timeline is written on SIGUSR2 and at the end")             \
    X(DURATION, worker_slow_slice, "worker.slow_slice", SETTINGS_W, "100ms", "1ms", "1h", "",  \
        "", "a handler that keeps its thread for so long is named in the log")                 \
    X(SIZE, jobs_input_max, "jobs.input_max", SETTINGS_C, "4MiB", "1KiB", "4MiB", "", "bytes", \
        "largest input of a job")                                                              \
    X(SIZE, jobs_bytes_max, "jobs.bytes_max", SETTINGS_C, "512MiB", "8MiB", "1TiB", "",        \
        "bytes", "inputs in flight and kept results together; old results make room")          \
    X(DURATION, jobs_timeout, "jobs.timeout", SETTINGS_C, "30s", "1ms", "24h", "", "",         \
        "deadline of a job that names none")                                                   \
    X(DURATION, jobs_timeout_max, "jobs.timeout_max", SETTINGS_C, "1h", "1ms", "24h", "", "",  \
        "the longest deadline a job may ask for")                                              \
    X(U32, jobs_max, "jobs.max", SETTINGS_C, "10000", "1", "1000000", "", "jobs",              \
        "jobs that are not finished yet; beyond it submits are refused")                       \
    X(U32, jobs_finished_max, "jobs.finished_max", SETTINGS_C, "10000", "0", "1000000", "",    \
        "jobs", "finished jobs kept in memory")                                                \
    X(DURATION, jobs_finished_kept, "jobs.finished_kept", SETTINGS_C, "15m", "0s", "24h", "",  \
        "", "how long a finished job is kept in memory")                                       \
    X(STRING, store_url, "store.url", SETTINGS_C, "auto", "", "511", "", "bytes",              \
        "where durable jobs live: sqlite:FILE; memory: keeps none; auto: hedgerow.db in the "  \
        "state folder, and memory: where there is none")                                       \
    X(U32, store_jobs_max, "store.jobs_max", SETTINGS_C, "10000", "1", "1000000", "", "jobs",  \
        "durable jobs not finished yet, in memory; more are refused")                          \
    X(U32, store_batch_max, "store.batch_max", SETTINGS_C, "1024", "1", "1024", "",            \
        "operations", "durable submits and ends that one fsync may share")                     \
    X(DURATION, store_kept, "store.kept", SETTINGS_C, "24h", "1s", "8760h", "", "",            \
        "how long a finished durable job is kept")                                             \
    X(BOOL, hedge_enabled, "hedge.enabled", SETTINGS_C, "true", "", "", "", "",                \
        "send a second copy of a slow idempotent attempt")                                     \
    X(ENUM, hedge_mode, "hedge.mode", SETTINGS_C, "economy", "", "", "economy,latency,off",    \
        "", "economy: a copy when a job is late; latency: whenever a slot is free; off")       \
    X(DOUBLE, hedge_utilisation_max, "hedge.utilisation_max", SETTINGS_C, "0.8", "0", "1", "", \
        "of the slots", "busier than this: no copy but of what is stuck")                      \
    X(DURATION, hedge_delay, "hedge.delay", SETTINGS_C, "auto", "0s", "1h", "auto,off", "",    \
        "how long until an attempt gets its hedge; auto: as the handler's latency says") \
    X(U32, hedge_max_attempts, "hedge.max_attempts", SETTINGS_C, "2", "1", "5", "", "copies",  \
        "copies of one part, the first one included")                                          \
    X(BOOL, hedge_ties, "hedge.ties", SETTINGS_C, "false", "", "", "", "",                     \
        "tie the jobs of handlers whose attempts wait longer than they run")                  \
    X(DOUBLE, hedge_ratio, "hedge.ratio", SETTINGS_C, "0.05", "0", "1", "",                    \
        "copies for each primary", "budget: extra copies earned by each primary")              \
    X(U32, hedge_burst, "hedge.burst", SETTINGS_C, "32", "0", "10000", "", "copies",           \
        "budget: extra copies that may be saved up")                                           \
    X(DURATION, hedge_work_burst, "hedge.work_burst", SETTINGS_C, "10s", "0s", "1h", "", "",   \
        "budget: worker time of extra copies that may be saved up")                            \
    X(DURATION, heartbeat, "heartbeat", SETTINGS_C, "1s", "50ms", "1m", "", "",                \
        "how often the two ends of a link hear each other")                                    \
    X(U32, heartbeats_missed, "heartbeats_missed", SETTINGS_C, "3", "2", "20", "",             \
        "heartbeats", "missed in a row: the worker is dead, its attempts go elsewhere")        \
    X(DURATION, cancel_grace, "cancel.grace", SETTINGS_C, "1s", "0s", "1m", "", "",            \
        "from a cancel's SIGTERM to its SIGKILL")                                              \
    X(DURATION, cancel_ack_max, "cancel.ack_max", SETTINGS_C, "250ms", "10ms", "1m", "", "",   \
        "a cancel unacknowledged for so long makes its worker suspect")                        \
    X(DURATION, drain_timeout, "drain.timeout", SETTINGS_CW, "30s", "0s", "1h", "", "",        \
        "on SIGTERM, how long work in flight may go on")                                       \
    X(ENUM, log_level, "log.level", SETTINGS_CW, "info", "", "", "debug,info,warn,error", "",  \
        "the least level that is written")                                                     \
    X(ENUM, log_format, "log.format", SETTINGS_CW, "auto", "", "", "auto,logfmt,json", "",     \
        "auto: logfmt on a terminal, else json")
/* clang-format on */

#endif
