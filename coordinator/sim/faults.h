/* SPDX-License-Identifier: MIT
 *
 * coordinator/sim/faults.h - `hedgerow-sim faults`: seeds against the contract.
 */
#ifndef COORDINATOR_SIM_FAULTS_H
#define COORDINATOR_SIM_FAULTS_H

/* argv[0] is the subcommand's name.  Returns the exit code: 0 when every seed is clean, 1
 * when one is not, 2 when the command line is wrong. */
int faults_main(int argc, char **argv);

#endif
