/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/tune.h - `hedgerow-sim tune`: which policy would have served those best.
 */
#ifndef COORDINATOR_SIM_TUNE_H
#define COORDINATOR_SIM_TUNE_H

/* The subcommand. */
int tune_main(int argc, char **argv);

#endif
