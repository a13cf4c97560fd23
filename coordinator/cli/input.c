/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/input.h"

#include "coordinator/cli/out.h"
#include "coordinator/client/hedgerow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
read_all(int fd, const char *name, struct input *ret_input)
{
    struct stat status;
    size_t room = 64 * 1024;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        status.st_size < HEDGEROW_BODY_SIZE_MAX) {
        room = (size_t) status.st_size + 1; /* one more tells the end without growing */
    }
    struct input input = { .bytes = malloc(room) };
    while (input.bytes != NULL) {
        ssize_t got = read(fd, input.bytes + input.size, room - input.size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            out_error("cannot read %s: %s", name, strerror(errno));
            input_fini(&input);
            return false;
        }
        if (got == 0) {
            *ret_input = input;
            return true;
        }
        input.size += (size_t) got;
        if (input.size == room) {
            if (room > HEDGEROW_BODY_SIZE_MAX) {
                break;
            }
            room *= 2;
            uint8_t *bytes = realloc(input.bytes, room);
            if (bytes == NULL) {
                break;
            }
            input.bytes = bytes;
        }
    }
    out_error("%s is too large for a job", name);
    input_fini(&input);
    return false;
}

bool
input_load_file(const char *path, struct input *ret_input)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        out_error("cannot open '%s': %s", path, strerror(errno));
        return false;
    }
    bool ok = read_all(fd, path, ret_input);
    close(fd);
    return ok;
}

/* A file with something in it, or a pipe that has bytes already. */
static bool
stdin_holds_something(void)
{
    struct stat status;
    if (fstat(STDIN_FILENO, &status) != 0) {
        return false;
    }
    if (S_ISREG(status.st_mode)) {
        return status.st_size > lseek(STDIN_FILENO, 0, SEEK_CUR);
    }
    struct pollfd watched = { .fd = STDIN_FILENO, .events = POLLIN };
    return S_ISFIFO(status.st_mode) && poll(&watched, 1, 0) == 1 &&
           (watched.revents & POLLIN) != 0;
}

bool
input_load(const char *word, struct input *ret_input)
{
    if (word == NULL) {
        if (stdin_holds_something()) {
            out_note("standard input is not read; write - behind the handler to send it");
        }
        *ret_input = (struct input){ 0 };
        return true;
    }
    if (strcmp(word, "-") == 0) {
        if (isatty(STDIN_FILENO) == 1) {
            out_note("reading the input from the terminal; end it with Ctrl-D");
        }
        return read_all(STDIN_FILENO, "standard input", ret_input);
    }
    if (word[0] == '@' && word[1] != '@') {
        return input_load_file(word + 1, ret_input);
    }
    const char *text = word[0] == '@' ? word + 1 : word;
    size_t size = strlen(text);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        out_error("out of memory");
        return false;
    }
    memcpy(bytes, text, size);
    *ret_input = (struct input){ .bytes = bytes, .size = size };
    return true;
}

void
input_fini(struct input *input)
{
    free(input->bytes);
    *input = (struct input){ 0 };
}
