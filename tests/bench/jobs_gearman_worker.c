/* SPDX-License-Identifier: MIT
 *
 * tests/bench/jobs_gearman_worker.c - Gearman's side of benchmark J: a libgearman worker
 * that echoes.  Built only where libgearman is installed.
 *
 *     jobs_gearman_worker PORT
 */
#include <libgearman/gearman.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static gearman_return_t
echo(gearman_job_st *job, void *context)
{
    (void) context;
    gearman_job_send_complete(job, gearman_job_workload(job), gearman_job_workload_size(job));
    return GEARMAN_SUCCESS;
}

int
main(int argc, char **argv)
{
    gearman_worker_st *worker = gearman_worker_create(NULL);
    if (argc != 2 || worker == NULL) {
        fprintf(stderr, "usage: jobs_gearman_worker PORT\n");
        return 2;
    }
    in_port_t port = (in_port_t) strtoul(argv[1], NULL, 10);
    gearman_function_t function = gearman_function_create(echo);
    if (gearman_worker_add_server(worker, "127.0.0.1", port) != GEARMAN_SUCCESS ||
        gearman_worker_define_function(worker, "echo", 4, function, 0, NULL) !=
            GEARMAN_SUCCESS) {
        fprintf(stderr, "jobs_gearman_worker: %s\n", gearman_worker_error(worker));
        return EXIT_FAILURE;
    }
    while (gearman_worker_work(worker) == GEARMAN_SUCCESS) {
    }
    fprintf(stderr, "jobs_gearman_worker: %s\n", gearman_worker_error(worker));
    return EXIT_FAILURE;
}
