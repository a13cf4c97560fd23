/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/story.h - what became of a job, in sentences.
 *
 * The API's words (lost_race, no_spare_worker, ...) stand beside their meaning, so that
 * they can be searched for.
 */
#ifndef COORDINATOR_CLI_STORY_H
#define COORDINATOR_CLI_STORY_H

#include "coordinator/cli/job_view.h"

#include <stdio.h>

/* Which job, how it ended, how it was to be run. */
void story_print_head(const struct job_view *view, FILE *stream);
/* Everything that happened, in order. */
void story_print_events(const struct job_view *view, FILE *stream);
/* Why there was a hedge or none, and what was wasted. */
void story_print_verdict(const struct job_view *view, FILE *stream);

#endif
