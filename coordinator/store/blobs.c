/* SPDX-License-Identifier: MIT */
#include "coordinator/store/blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE (ID_TEXT_SIZE + 8)

static const char *const suffixes[] = { [BLOB_INPUT] = ".input", [BLOB_RESULT] = ".result" };

static void
name_of(job_id_t id, enum blob_kind kind, char name[NAME_SIZE])
{
    char text[ID_TEXT_SIZE];
    id_to_text(id, text);
    snprintf(name, NAME_SIZE, "%s%s", text, suffixes[kind]);
}

err_t
blobs_open(struct blobs *blobs, const char *database_path)
{
    blobs->folder = -1;
    int size = snprintf(blobs->path, sizeof blobs->path, "%s.blobs", database_path);
    if (size < 0 || (size_t) size >= sizeof blobs->path) {
        return ERR_TOO_BIG;
    }
    if (mkdir(blobs->path, 0700) != 0 && errno != EEXIST) {
        return err_from_errno(errno);
    }
    blobs->folder = open(blobs->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return blobs->folder < 0 ? err_from_errno(errno) : ERR_OK;
}

void
blobs_close(struct blobs *blobs)
{
    if (blobs->folder >= 0) {
        close(blobs->folder);
        blobs->folder = -1;
    }
}

static err_t
write_all(int fd, const uint8_t *at, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
        }
        at += written;
        size -= (size_t) written;
    }
    return ERR_OK;
}

/* An error of open(2) or fsync(2), as the store tells it. */
static err_t
disk_error(void)
{
    return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

err_t
blobs_write(
    struct blobs *blobs, job_id_t id, enum blob_kind kind, const struct store_bytes *bytes)
{
    char name[NAME_SIZE];
    name_of(id, kind, name);
    int fd = openat(blobs->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return disk_error();
    }
    err_t err = write_all(fd, bytes->at, bytes->size);
    if (err == ERR_OK && fsync(fd) != 0) {
        err = disk_error();
    }
    if (close(fd) != 0 && err == ERR_OK) {
        err = disk_error();
    }
    if (err == ERR_OK && fsync(blobs->folder) != 0) {
        err = disk_error();
    }
    if (err != ERR_OK) {
        blobs_remove(blobs, id, kind);
    }
    return err;
}

static err_t
read_all(int fd, uint8_t *at, size_t size)
{
    while (size > 0) {
        ssize_t got = read(fd, at, size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0 ? ERR_TRUNCATED : ERR_IO;
        }
        at += got;
        size -= (size_t) got;
    }
    return ERR_OK;
}

err_t
blobs_read(struct blobs *blobs, job_id_t id, enum blob_kind kind, uint32_t expected_size,
    struct store_bytes *ret_bytes)
{
    char name[NAME_SIZE];
    name_of(id, kind, name);
    int fd = openat(blobs->folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    uint8_t *at = malloc(expected_size > 0 ? expected_size : 1);
    err_t err = at == NULL ? ERR_NO_MEMORY : read_all(fd, at, expected_size);
    close(fd);
    if (err != ERR_OK) {
        free(at);
        return err;
    }
    *ret_bytes = (struct store_bytes){ .at = at, .size = expected_size };
    return ERR_OK;
}

void
blobs_remove(struct blobs *blobs, job_id_t id, enum blob_kind kind)
{
    char name[NAME_SIZE];
    name_of(id, kind, name);
    (void) unlinkat(blobs->folder, name, 0); /* what stays is swept at the next opening */
}

/* false: no file of ours. */
static bool
parse_name(const char *name, job_id_t *ret_id, enum blob_kind *ret_kind)
{
    if (strlen(name) < ID_TEXT_SIZE || id_from_text(name, ID_TEXT_SIZE - 1, ret_id) != ERR_OK) {
        return false;
    }
    for (unsigned kind = BLOB_INPUT; kind <= BLOB_RESULT; kind++) {
        if (strcmp(name + ID_TEXT_SIZE - 1, suffixes[kind]) == 0) {
            *ret_kind = (enum blob_kind) kind;
            return true;
        }
    }
    return false;
}

void
blobs_sweep(struct blobs *blobs, bool (*is_named)(void *user, job_id_t id, enum blob_kind kind),
    void *user)
{
    int fd = openat(blobs->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    struct dirent *file;
    while ((file = readdir(folder)) != NULL) {
        job_id_t id;
        enum blob_kind kind;
        if (parse_name(file->d_name, &id, &kind) && !is_named(user, id, kind)) {
            blobs_remove(blobs, id, kind);
        }
    }
    closedir(folder);
}
