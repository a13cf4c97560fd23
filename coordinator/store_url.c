/* SPDX-License-Identifier: MIT */
#include "coordinator/store_url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SCHEME "sqlite:"

static err_t
join(char url[STORE_URL_SIZE_MAX], const char *folder, const char *below)
{
    int size = snprintf(url, STORE_URL_SIZE_MAX, SCHEME "%s%s", folder, below);
    return size > 0 && size < STORE_URL_SIZE_MAX ? ERR_OK : ERR_TOO_BIG;
}

static const char *
variable(const char *name)
{
    const char *text = getenv(name);
    return text != NULL && text[0] == '/' ? text : NULL;
}

/* Each folder above the last slash. */
static err_t
make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int error = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
        *slash = '/';
        if (error != 0) {
            return err_from_errno(error);
        }
    }
    return ERR_OK;
}

err_t
store_url_default(char url[STORE_URL_SIZE_MAX])
{
    static const struct {
        const char *variable;
        const char *below;
    } places[] = {
        { "STATE_DIRECTORY", "/hedgerow.db" },
        { "XDG_STATE_HOME", "/hedgerow/hedgerow.db" },
        { "HOME", "/.local/state/hedgerow/hedgerow.db" },
    };
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *folder = variable(places[i].variable);
        if (folder != NULL) {
            err_t err = join(url, folder, places[i].below);
            return err == ERR_OK ? make_folders(url + strlen(SCHEME)) : err;
        }
    }
    return ERR_NOT_FOUND;
}
