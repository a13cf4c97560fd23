/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/json_print.h - JSON for -o json and -o jsonl.
 *
 * What the API answered is printed as it is, so that its shape is the API's; only white
 * space changes.
 */
#ifndef COORDINATOR_CLI_JSON_PRINT_H
#define COORDINATOR_CLI_JSON_PRINT_H

#include "common/edge/json.h"
#include "coordinator/client/hedgerow.h"

#include <stdio.h>

/* The body, indented. */
void json_print_body(const struct hedgerow_reply *reply, FILE *stream);
void json_print(const struct json *json, unsigned indent, FILE *stream);
/* Each element on a line of its own. */
void json_print_lines(const struct json *array, FILE *stream);
/* One line about a job that was run: {"input": ..., "job_id": ..., "outcome": ..., ...}. */
void json_print_run(const char *name, const struct hedgerow_reply *reply, FILE *stream);
/* The problem, or one made of what the client knows when nothing answered. */
void json_print_problem(const struct hedgerow_reply *reply, FILE *stream);

#endif
