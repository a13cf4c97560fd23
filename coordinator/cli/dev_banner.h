/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/dev_banner.h - what `hedgerow dev` tells: to people, and to scripts.
 *
 * The state file is replaced as a whole, so that a reader never sees half of one; it exists
 * only while the service is up:
 *
 *     ready=1
 *     http=http://127.0.0.1:8080
 *     link=tcp://127.0.0.1:7400
 *     token_file='/run/user/1000/hedgerow/link-token'
 *     dev_pid=4241
 *     coordinator_pid=4242
 *     worker_pids='4243 4244 4245'          0: down, and about to start again
 */
#ifndef COORDINATOR_CLI_DEV_BANNER_H
#define COORDINATOR_CLI_DEV_BANNER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define DEV_WORKERS_MAX   64
#define DEV_NAME_SIZE_MAX 32
#define DEV_URL_SIZE_MAX  300

struct dev_facts {
    const char *http;
    const char *link;
    const char *token_path;
    pid_t coordinator_pid;
    unsigned workers_count;
    struct {
        const char *name;
        pid_t pid;
        bool is_ready;
    } workers[DEV_WORKERS_MAX];
};

void dev_banner_print(const struct dev_facts *facts, FILE *stream);
/* false: errno says why. */
bool dev_banner_write_state(const char *path, const struct dev_facts *facts);

#endif
