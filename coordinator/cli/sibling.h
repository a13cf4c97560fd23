/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/sibling.h - the other programs of this installation: beside this one.
 */
#ifndef COORDINATOR_CLI_SIBLING_H
#define COORDINATOR_CLI_SIBLING_H

#include <limits.h>
#include <stdbool.h>

#define SIBLING_SIZE_MAX PATH_MAX

/* false: said why on stderr. */
bool sibling_find(const char *name, char ret_path[SIBLING_SIZE_MAX]);

#endif
