/* SPDX-License-Identifier: MIT
 *
 * common/edge/yaml.h - a configuration file as flat keys: {jobs: {timeout: 30s}} tells
 * "jobs.timeout" = "30s" and its line.
 *
 * One document of nested mappings with scalar ends; what a table of settings cannot mean
 * (sequences, aliases, tags, a second document) is refused with its line.  `key:` without a
 * value is the empty text.
 *
 * MEMORY   the file is bounded by YAML_FILE_SIZE_MAX, nesting by YAML_DEPTH_MAX.
 * ERRORS   NOT_FOUND, PERMISSION, IO, TOO_BIG; BAD_MESSAGE (line and message say where).
 */
#ifndef COMMON_EDGE_YAML_H
#define COMMON_EDGE_YAML_H

#include "common/sys/settings.h"

#define YAML_FILE_SIZE_MAX (256 * 1024)
#define YAML_DEPTH_MAX     4
#define YAML_KEY_SIZE_MAX  256

/* The same from memory. */
err_t yaml_parse(const char *bytes, size_t size, settings_entry_fn *on_entry, void *user,
    struct settings_file_error *ret_error) MUST_USE;
/* A settings_read_fn. */
err_t yaml_read(const char *path, settings_entry_fn *on_entry, void *user,
    struct settings_file_error *ret_error) MUST_USE;

#endif
