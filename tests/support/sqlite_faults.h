/* SPDX-License-Identifier: MIT
 *
 * tests/support/sqlite_faults.h - a VFS of SQLite's on a disk that we can break.
 *
 * It stands on the real one and remembers, for each file, what an fsync has made safe and
 * what was written since.  faults_set() makes it fail from now on; faults_crash_after(N)
 * lets N more writes and syncs happen, then none; faults_power_off(folder, seed) writes into
 * folder what a disk may hold after the power went: all that was synced, and of what was not
 * any part, in pieces of 512 bytes.
 *
 * SOURCE  sqlite.org/testing.html, "crash testing"
 */
#ifndef TESTS_SUPPORT_SQLITE_FAULTS_H
#define TESTS_SUPPORT_SQLITE_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#define FAULTS_VFS "faults"

enum fault {
    FAULT_NONE,
    FAULT_FULL,  /* a write finds no room */
    FAULT_WRITE, /* a write fails */
    FAULT_SYNC,  /* an fsync fails */
    FAULT_LIE    /* an fsync says that it was done, and was not */
};

void faults_install(void);
void faults_set(enum fault fault);
void faults_crash_after(uint64_t calls_count);
bool faults_has_crashed(void);
/* All files that were opened since the last faults_reset, under their base names. */
void faults_power_off(const char *folder, uint64_t seed);
void faults_reset(void);

#endif
