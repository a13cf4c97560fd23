/* SPDX-License-Identifier: MIT
 *
 * In a container with half a CPU a proc for each core of the host would only thrash, so the
 * smallest of affinity and cgroup quota (v2, this group and those above it) counts.
 */
#include "worker/sched/runtime.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum {
    PATH_SIZE = 4096
};

static uint32_t
affinity_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    int count = CPU_COUNT(&set);
    return count > 0 ? (uint32_t) count : 1;
}

/* CPUs that cpu.max of one group grants, rounded up; PROC_COUNT_MAX for no bound. */
static uint32_t
quota_of(const char *group)
{
    char path[PATH_SIZE + 32];
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return PROC_COUNT_MAX;
    }
    uint64_t quota = 0, period = 0;
    int read = fscanf(file, "%" SCNu64 " %" SCNu64, &quota, &period); /* "max 100000": 0 */
    fclose(file);
    if (read != 2 || quota == 0 || period == 0) {
        return PROC_COUNT_MAX;
    }
    uint64_t cpus = (quota + period - 1) / period;
    return cpus < PROC_COUNT_MAX ? (uint32_t) cpus : PROC_COUNT_MAX;
}

static uint32_t
quota_count(void)
{
    char line[PATH_SIZE];
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL) {
        return PROC_COUNT_MAX;
    }
    uint32_t count = PROC_COUNT_MAX;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::/", 4) != 0) {
            continue;
        }
        char *group = line + 3;
        group[strcspn(group, "\n")] = '\0';
        char *end = group + strlen(group);
        do {
            *end = '\0';
            uint32_t each = quota_of(strcmp(group, "/") == 0 ? "" : group);
            count = each < count ? each : count;
            end = strrchr(group, '/');
        } while (end != NULL);
    }
    fclose(file);
    return count;
}

uint32_t
limits_procs_count(void)
{
    uint32_t affinity = affinity_count();
    uint32_t quota = quota_count();
    uint32_t count = affinity < quota ? affinity : quota;
    return count < PROC_COUNT_MAX ? count : PROC_COUNT_MAX;
}
