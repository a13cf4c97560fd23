/* SPDX-License-Identifier: MIT */
#include "tests/support/sqlite_faults.h"

#include "common/pure/check.h"
#include "common/pure/rng.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISKS_MAX   8
#define SECTOR_SIZE 512

/* Not yet safe: size bytes written at offset, or (bytes NULL) a cut to offset. */
struct change {
    struct change *next;
    uint64_t offset;
    uint64_t size;
    uint8_t *bytes;
};

struct disk {
    char name[128];
    uint8_t *safe;
    uint64_t safe_size;
    struct change *first;
    struct change **last;
};

struct faulty_file {
    sqlite3_file base;
    struct disk *disk;  /* NULL: of no interest */
    sqlite3_file *real; /* right behind this struct */
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs our_vfs;
static sqlite3_io_methods our_methods;
static struct disk disks[DISKS_MAX];
static unsigned disks_count;
static atomic_int fault_now;
static uint64_t calls_left = UINT64_MAX;

void
faults_set(enum fault fault)
{
    atomic_store(&fault_now, (int) fault);
}

void
faults_crash_after(uint64_t calls_count)
{
    calls_left = calls_count;
}

bool
faults_has_crashed(void)
{
    return calls_left == 0;
}

/* false: the power went before this call. */
static bool
is_alive(void)
{
    if (calls_left == 0) {
        return false;
    }
    calls_left -= calls_left != UINT64_MAX;
    return true;
}

/* ---- what is on the disk ------------------------------------------------------------ */

static struct disk *
disk_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    for (unsigned i = 0; i < disks_count; i++) {
        if (strcmp(disks[i].name, name) == 0) {
            return &disks[i];
        }
    }
    CHECK(disks_count < DISKS_MAX);
    struct disk *disk = &disks[disks_count++];
    *disk = (struct disk){ .last = &disk->first };
    snprintf(disk->name, sizeof disk->name, "%s", name);
    return disk;
}

static void
disk_change(struct disk *disk, uint64_t offset, const void *bytes, uint64_t size)
{
    struct change *change = calloc(1, sizeof *change);
    CHECK(change != NULL);
    change->offset = offset;
    change->size = size;
    if (bytes != NULL) {
        change->bytes = malloc(size);
        CHECK(change->bytes != NULL);
        memcpy(change->bytes, bytes, size);
    }
    *disk->last = change;
    disk->last = &change->next;
}

/* image grows and shrinks as the file would. */
static void
image_resize(uint8_t **image, uint64_t *image_size, uint64_t size)
{
    if (size > *image_size) {
        *image = realloc(*image, size);
        CHECK(*image != NULL);
        memset(*image + *image_size, 0, size - *image_size);
    }
    *image_size = size;
}

static void
image_write(
    uint8_t **image, uint64_t *image_size, uint64_t offset, const uint8_t *bytes, uint64_t size)
{
    if (offset + size > *image_size) {
        image_resize(image, image_size, offset + size);
    }
    memcpy(*image + offset, bytes, size);
}

static void
changes_free(struct disk *disk)
{
    while (disk->first != NULL) {
        struct change *change = disk->first;
        disk->first = change->next;
        free(change->bytes);
        free(change);
    }
    disk->last = &disk->first;
}

static void
disk_sync(struct disk *disk)
{
    for (const struct change *change = disk->first; change != NULL; change = change->next) {
        if (change->bytes == NULL) {
            image_resize(&disk->safe, &disk->safe_size, change->offset);
        } else {
            image_write(
                &disk->safe, &disk->safe_size, change->offset, change->bytes, change->size);
        }
    }
    changes_free(disk);
}

/* Each sector of each unsynced write came to the disk, or not. */
static void
tear(struct rng *rng, const struct change *change, uint8_t **image, uint64_t *image_size)
{
    if (change->bytes == NULL) {
        if (rng_below(rng, 2) == 0) {
            image_resize(image, image_size, change->offset);
        }
        return;
    }
    for (uint64_t at = 0; at < change->size; at += SECTOR_SIZE) {
        uint64_t size = change->size - at < SECTOR_SIZE ? change->size - at : SECTOR_SIZE;
        if (rng_below(rng, 2) == 0) {
            image_write(image, image_size, change->offset + at, change->bytes + at, size);
        }
    }
}

static void
write_file(const char *folder, const char *name, const uint8_t *bytes, uint64_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    CHECK(size == 0 || fwrite(bytes, size, 1, file) == 1);
    CHECK(fclose(file) == 0);
}

void
faults_power_off(const char *folder, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (unsigned i = 0; i < disks_count; i++) {
        struct disk *disk = &disks[i];
        uint64_t size = disk->safe_size;
        uint8_t *image = malloc(size > 0 ? size : 1);
        CHECK(image != NULL);
        if (size > 0) {
            memcpy(image, disk->safe, size);
        }
        for (const struct change *change = disk->first; change != NULL; change = change->next) {
            tear(&rng, change, &image, &size);
        }
        write_file(folder, disk->name, image, size);
        free(image);
    }
}

void
faults_reset(void)
{
    for (unsigned i = 0; i < disks_count; i++) {
        changes_free(&disks[i]);
        free(disks[i].safe);
    }
    disks_count = 0;
    calls_left = UINT64_MAX;
    faults_set(FAULT_NONE);
}

/* ---- the VFS -------------------------------------------------------------------------- */

static struct faulty_file *
faulty(sqlite3_file *file)
{
    return (struct faulty_file *) file;
}

static int
on_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    if (!is_alive()) {
        return SQLITE_IOERR_WRITE;
    }
    switch ((enum fault) atomic_load(&fault_now)) {
    case FAULT_NONE:
    case FAULT_LIE:
    case FAULT_SYNC: break;
    case FAULT_FULL: return SQLITE_FULL;
    case FAULT_WRITE: return SQLITE_IOERR_WRITE;
    }
    disk_change(faulty(file)->disk, (uint64_t) offset, bytes, (uint64_t) size);
    sqlite3_file *real = faulty(file)->real;
    return real->pMethods->xWrite(real, bytes, size, offset);
}

static int
on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (!is_alive()) {
        return SQLITE_IOERR_TRUNCATE;
    }
    disk_change(faulty(file)->disk, (uint64_t) size, NULL, 0);
    sqlite3_file *real = faulty(file)->real;
    return real->pMethods->xTruncate(real, size);
}

static int
on_sync(sqlite3_file *file, int flags)
{
    if (!is_alive() || atomic_load(&fault_now) == FAULT_SYNC) {
        return SQLITE_IOERR_FSYNC;
    }
    (void) flags; /* the real disk is left in peace: what counts is what we remember */
    if (atomic_load(&fault_now) != FAULT_LIE) {
        disk_sync(faulty(file)->disk);
    }
    return SQLITE_OK;
}

static int
on_close(sqlite3_file *file)
{
    sqlite3_file *real = faulty(file)->real;
    return real->pMethods->xClose(real);
}

static int
on_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
    sqlite3_file *real = faulty(file)->real;
    return real->pMethods->xRead(real, bytes, size, offset);
}

static int
on_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    sqlite3_file *real = faulty(file)->real;
    return real->pMethods->xFileSize(real, ret_size);
}

static int
on_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = faulty(file)->real;
    return real->pMethods->xLock(real, level);
}

static int
on_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = faulty(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int
on_check_lock(sqlite3_file *file, int *ret_is_locked)
{
    sqlite3_file *real = faulty(file)->real;
    return real->pMethods->xCheckReservedLock(real, ret_is_locked);
}

static int
on_control(sqlite3_file *file, int what, void *argument)
{
    sqlite3_file *real = faulty(file)->real;
    return real->pMethods->xFileControl(real, what, argument);
}

static int
on_sector_size(sqlite3_file *file)
{
    (void) file;
    return SECTOR_SIZE;
}

static int
on_characteristics(sqlite3_file *file)
{
    (void) file;
    return 0; /* no promise at all */
}

static int
on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret_flags)
{
    (void) vfs;
    struct faulty_file *opened = faulty(file);
    opened->base.pMethods = NULL;
    opened->real = (sqlite3_file *) (opened + 1);
    int code = real_vfs->xOpen(real_vfs, path, opened->real, flags, ret_flags);
    if (code == SQLITE_OK) {
        opened->disk = disk_of(path);
        opened->base.pMethods = &our_methods;
    }
    return code;
}

static int
on_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void) vfs;
    if (!is_alive()) {
        return SQLITE_IOERR_DELETE;
    }
    struct disk *disk = disk_of(path);
    changes_free(disk);
    disk->safe_size = 0;
    return real_vfs->xDelete(real_vfs, path, sync_folder);
}

void
faults_install(void)
{
    if (real_vfs != NULL) {
        return;
    }
    real_vfs = sqlite3_vfs_find(NULL);
    CHECK(real_vfs != NULL);
    our_methods = (sqlite3_io_methods){ .iVersion = 1,
        .xClose = on_close,
        .xRead = on_read,
        .xWrite = on_write,
        .xTruncate = on_truncate,
        .xSync = on_sync,
        .xFileSize = on_size,
        .xLock = on_lock,
        .xUnlock = on_unlock,
        .xCheckReservedLock = on_check_lock,
        .xFileControl = on_control,
        .xSectorSize = on_sector_size,
        .xDeviceCharacteristics = on_characteristics };
    our_vfs = *real_vfs;
    our_vfs.zName = FAULTS_VFS;
    our_vfs.pNext = NULL;
    our_vfs.szOsFile = (int) sizeof(struct faulty_file) + real_vfs->szOsFile;
    our_vfs.xOpen = on_open;
    our_vfs.xDelete = on_delete;
    CHECK(sqlite3_vfs_register(&our_vfs, /* make_default= */ 0) == SQLITE_OK);
}
