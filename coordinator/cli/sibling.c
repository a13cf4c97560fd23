/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/sibling.h"

#include "coordinator/cli/out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool
sibling_find(const char *name, char ret_path[SIBLING_SIZE_MAX])
{
    char self[SIBLING_SIZE_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size < 0) {
        out_error("cannot find out where this program is: %s", strerror(errno));
        return false;
    }
    self[size] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    int path_size = snprintf(ret_path, SIBLING_SIZE_MAX, "%s/%s", self, name);
    if (path_size < 0 || path_size >= SIBLING_SIZE_MAX || access(ret_path, X_OK) != 0) {
        out_error("%s is not beside this program, in %s", name, self);
        out_hint("Install or build it there:  cmake --build --preset release");
        return false;
    }
    return true;
}
