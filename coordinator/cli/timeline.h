/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/timeline.h - a job's race as a picture, and as a story.
 *
 *     copy            0      10      20      30      40 ms
 *     1 primary w1    .##########################----   LOST
 *     2 hedge   w2                   .###########       WON
 *
 *     . sent, waiting    # running    - told to stop        (blocks where UTF-8 is spoken)
 *
 *        0.0 ms  copy 1 (primary) sent to w1
 *       20.0     copy 2 (hedge) sent to w2: no answer after 20.0 ms
 *       ...
 *
 * Pure: what it prints follows from the job alone, and the width and characters it is given.
 */
#ifndef COORDINATOR_CLI_TIMELINE_H
#define COORDINATOR_CLI_TIMELINE_H

#include "coordinator/cli/job_view.h"

#include <stdio.h>

struct timeline_style {
    unsigned width; /* columns of the page */
    bool is_utf8;
};

void
timeline_print(const struct job_view *view, const struct timeline_style *style, FILE *stream);

#endif
