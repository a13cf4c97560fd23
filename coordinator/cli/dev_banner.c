/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/dev_banner.h"

#include "coordinator/cli/out.h"
#include "coordinator/client/hedgerow.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

void
dev_banner_print(const struct dev_facts *facts, FILE *stream)
{
    bool is_default = strcmp(facts->http, HEDGEROW_SERVER_DEFAULT) == 0;
    char server[DEV_URL_SIZE_MAX + 8] = "";
    if (!is_default) {
        snprintf(server, sizeof server, " -s %s", facts->http);
    }
    fprintf(stream, "\n%sHedgerow is up.%s\n\n", out_begin(stream, OUT_BOLD), out_end(stream));
    fprintf(stream, "  API      %s   (coordinator, pid %ld)\n", facts->http,
        (long) facts->coordinator_pid);
    fprintf(stream, "  links    %s   (token in %s)\n", facts->link, facts->token_path);
    for (unsigned i = 0; i < facts->workers_count; i++) {
        fprintf(stream, "  %s pid %ld%s\n", facts->workers[i].name,
            (long) facts->workers[i].pid,
            facts->workers[i].is_ready ? "" : "   (not ready yet)");
    }
    fprintf(stream, "\nTry, in another terminal:\n\n");
    fprintf(stream, "  hedgerow run%s sha256 hello\n", server);
    fprintf(stream, "  curl --data-binary hello %s/v1/handlers/sha256:invoke\n", facts->http);
    if (facts->workers_count > 1) {
        fprintf(stream, "\nA slow worker, and how it is out-run:\n\n");
        fprintf(stream, "  kill -STOP %ld\n", (long) facts->workers[0].pid);
        fprintf(stream, "  hedgerow run%s sha256 hello --hedge 20ms --repeat 10 --summary\n",
            server);
        fprintf(stream, "  hedgerow explain%s --last\n", server);
        fprintf(stream, "  kill -CONT %ld\n", (long) facts->workers[0].pid);
    }
    fprintf(stream, "\nCtrl-C stops everything.\n\n");
    fflush(stream);
}

static void
state_print(const struct dev_facts *facts, FILE *file)
{
    fprintf(file, "ready=1\nhttp=%s\nlink=%s\ntoken_file='%s'\n", facts->http, facts->link,
        facts->token_path);
    fprintf(file, "dev_pid=%ld\ncoordinator_pid=%ld\nworker_pids='", (long) getpid(),
        (long) facts->coordinator_pid);
    for (unsigned i = 0; i < facts->workers_count; i++) {
        fprintf(file, "%s%ld", i > 0 ? " " : "", (long) facts->workers[i].pid);
    }
    fprintf(file, "'\n");
}

bool
dev_banner_write_state(const char *path, const struct dev_facts *facts)
{
    char fresh[PATH_MAX];
    if ((size_t) snprintf(fresh, sizeof fresh, "%s.%ld", path, (long) getpid()) >=
        sizeof fresh) {
        return false;
    }
    FILE *file = fopen(fresh, "we");
    if (file == NULL) {
        return false;
    }
    state_print(facts, file);
    bool ok = fclose(file) == 0 && rename(fresh, path) == 0;
    if (!ok) {
        (void) unlink(fresh);
    }
    return ok;
}
