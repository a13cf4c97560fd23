/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/state.h"

#include "common/pure/id.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes the folders when asked to. */
static bool
state_path(bool is_made, char path[PATH_MAX])
{
    char folder[PATH_MAX - 64];
    const char *state_home = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (state_home != NULL && state_home[0] == '/') {
        snprintf(folder, sizeof folder, "%s/hedgerow", state_home);
    } else if (home != NULL && home[0] == '/') {
        snprintf(folder, sizeof folder, "%s/.local/state/hedgerow", home);
    } else {
        return false;
    }
    for (char *slash = folder + 1; is_made && slash != NULL;) {
        slash = strchr(slash, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        (void) mkdir(folder, 0700); /* most exist; opening tells the rest */
        if (slash != NULL) {
            *slash++ = '/';
        }
    }
    snprintf(path, PATH_MAX, "%s/last-job", folder);
    return true;
}

void
state_save_last(const char *job_id, const char *server)
{
    char path[PATH_MAX];
    char fresh[PATH_MAX + 16];
    if (job_id[0] == '\0' || !state_path(/* is_made= */ true, path)) {
        return;
    }
    snprintf(fresh, sizeof fresh, "%s.%ld", path, (long) getpid());
    FILE *file = fopen(fresh, "we");
    if (file == NULL) {
        return;
    }
    bool ok = fprintf(file, "%s %s\n", job_id, server) > 0;
    ok = fclose(file) == 0 && ok;
    if (!ok || rename(fresh, path) != 0) {
        (void) unlink(fresh);
    }
}

bool
state_load_last(const char *server, char job_id[HEDGEROW_ID_SIZE])
{
    char path[PATH_MAX];
    char line[1200];
    if (!state_path(/* is_made= */ false, path)) {
        return false;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool ok = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    id_t128 id;
    if (!ok || strlen(line) < HEDGEROW_ID_SIZE || line[HEDGEROW_ID_SIZE - 1] != ' ' ||
        id_from_text(line, HEDGEROW_ID_SIZE - 1, &id) != ERR_OK) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line + HEDGEROW_ID_SIZE, server) != 0) {
        return false;
    }
    snprintf(job_id, HEDGEROW_ID_SIZE, "%.*s", HEDGEROW_ID_SIZE - 1, line);
    return true;
}
