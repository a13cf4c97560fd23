/* SPDX-License-Identifier: MIT */
#include "common/edge/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

/* The path to where we are: "jobs" then "timeout"; a key waits for its value. */
struct walk {
    settings_entry_fn *on_entry;
    void *user;
    struct settings_file_error *error;
    char path[YAML_KEY_SIZE_MAX];
    size_t path_sizes[YAML_DEPTH_MAX + 1]; /* path without the key, for each open mapping */
    uint32_t depth;
    bool has_key;
    bool has_document;
};

static err_t
refuse(struct walk *walk, const yaml_event_t *event, const char *why)
{
    walk->error->line = (uint32_t) event->start_mark.line + 1;
    snprintf(walk->error->message, sizeof walk->error->message, "%s", why);
    return ERR_BAD_MESSAGE;
}

static err_t
take_key(struct walk *walk, const yaml_event_t *event, const char *text)
{
    size_t before = walk->path_sizes[walk->depth];
    int size = snprintf(
        walk->path + before, sizeof walk->path - before, "%s%s", before > 0 ? "." : "", text);
    if (text[0] == '\0') {
        return refuse(walk, event, "an empty key");
    }
    if (size < 0 || (size_t) size >= sizeof walk->path - before) {
        return refuse(walk, event, "a key that is too long");
    }
    walk->has_key = true;
    return ERR_OK;
}

static err_t
on_scalar(struct walk *walk, const yaml_event_t *event)
{
    const char *text = (const char *) event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length) {
        return refuse(walk, event, "a zero byte");
    }
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL) {
        return refuse(walk, event, "anchors and tags mean nothing here");
    }
    if (walk->depth == 0) {
        /* An empty file is one empty scalar. */
        return text[0] == '\0' ? ERR_OK : refuse(walk, event, "not a mapping (key: value)");
    }
    if (!walk->has_key) {
        return take_key(walk, event, text);
    }
    walk->has_key = false;
    walk->on_entry(walk->user, walk->path, text, (uint32_t) event->start_mark.line + 1);
    return ERR_OK;
}

static err_t
on_mapping(struct walk *walk, const yaml_event_t *event)
{
    if (walk->depth > 0 && !walk->has_key) {
        return refuse(walk, event, "a mapping cannot be a key");
    }
    if (walk->depth == YAML_DEPTH_MAX) {
        return refuse(walk, event, "nested too deeply");
    }
    if (event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL) {
        return refuse(walk, event, "anchors and tags mean nothing here");
    }
    walk->depth++;
    walk->path_sizes[walk->depth] = walk->depth > 1 ? strlen(walk->path) : 0;
    walk->has_key = false;
    return ERR_OK;
}

static err_t
on_event(struct walk *walk, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT: return on_scalar(walk, event);
    case YAML_MAPPING_START_EVENT: return on_mapping(walk, event);
    case YAML_MAPPING_END_EVENT:
        walk->depth--;
        walk->has_key = false;
        return ERR_OK;
    case YAML_SEQUENCE_START_EVENT: return refuse(walk, event, "a list means nothing here");
    case YAML_ALIAS_EVENT: return refuse(walk, event, "an alias means nothing here");
    case YAML_DOCUMENT_START_EVENT:
        if (walk->has_document) {
            return refuse(walk, event, "a second document");
        }
        walk->has_document = true;
        return ERR_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT: return ERR_OK;
    }
    CHECK_UNREACHABLE();
}

static err_t
walk_events(struct walk *walk, yaml_parser_t *parser)
{
    for (bool more = true; more;) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            walk->error->line = (uint32_t) parser->problem_mark.line + 1;
            snprintf(walk->error->message, sizeof walk->error->message, "%s",
                parser->problem != NULL ? parser->problem : "not YAML");
            return parser->error == YAML_MEMORY_ERROR ? ERR_NO_MEMORY : ERR_BAD_MESSAGE;
        }
        err_t err = on_event(walk, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

static err_t
read_bytes(const char *path, char *bytes, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    err_t err = ERR_OK;
    size_t size = 0;
    for (ssize_t got = 1; got > 0 && err == ERR_OK; size += (size_t) got) {
        got = read(fd, bytes + size, YAML_FILE_SIZE_MAX + 1 - size);
        if (got < 0) {
            err = err_from_errno(errno);
            got = 0;
        }
    }
    close(fd);
    *ret_size = size;
    return err == ERR_OK && size > YAML_FILE_SIZE_MAX ? ERR_TOO_BIG : err;
}

err_t
yaml_parse(const char *bytes, size_t size, settings_entry_fn *on_entry, void *user,
    struct settings_file_error *ret_error)
{
    *ret_error = (struct settings_file_error){ 0 };
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        return ERR_NO_MEMORY;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *) bytes, size);
    struct walk walk = { .on_entry = on_entry, .user = user, .error = ret_error };
    err_t err = walk_events(&walk, &parser);
    yaml_parser_delete(&parser);
    return err;
}

err_t
yaml_read(const char *path, settings_entry_fn *on_entry, void *user,
    struct settings_file_error *ret_error)
{
    *ret_error = (struct settings_file_error){ 0 };
    char *bytes = malloc(YAML_FILE_SIZE_MAX + 1);
    size_t size = 0;
    err_t err = bytes == NULL ? ERR_NO_MEMORY : read_bytes(path, bytes, &size);
    if (err == ERR_OK) {
        err = yaml_parse(bytes, size, on_entry, user, ret_error);
    }
    if (err != ERR_OK && ret_error->message[0] == '\0') {
        snprintf(ret_error->message, sizeof ret_error->message, "%s", err_text(err));
    }
    free(bytes);
    return err;
}
