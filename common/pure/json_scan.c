/* SPDX-License-Identifier: MIT */
#include "common/pure/json_scan.h"

#include "common/pure/utf8.h"

struct scan {
    const char *next;
    const char *end;
    uint64_t objects; /* bit i: the container at depth i + 1 is an object */
    unsigned depth;
    unsigned depth_max;
    /* The member of the root that is looked for, and where its value begins and ends. */
    struct slice member;
    const char *member_start;
    const char *member_end;
};

static void
skip_space(struct scan *scan)
{
    while (scan->next < scan->end && (*scan->next == ' ' || *scan->next == '\t' ||
                                         *scan->next == '\n' || *scan->next == '\r')) {
        scan->next++;
    }
}

static bool
take_char(struct scan *scan, char c)
{
    if (scan->next == scan->end || *scan->next != c) {
        return false;
    }
    scan->next++;
    return true;
}

static bool
take_escape(struct scan *scan)
{
    if (scan->next == scan->end) {
        return false;
    }
    char c = *scan->next;
    if (c != 'u') {
        bool is_known = c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
        scan->next += is_known ? 1 : 0;
        return is_known;
    }
    scan->next++;
    for (unsigned i = 0; i < 4; i++, scan->next++) {
        bool is_hex = scan->next < scan->end && *scan->next != '\0' &&
                      strchr("0123456789abcdefABCDEF", *scan->next) != NULL;
        if (!is_hex) {
            return false;
        }
    }
    return true;
}

/* From its first quote on; *ret_content is between the quotes. */
static bool
take_string(struct scan *scan, struct slice *ret_content)
{
    if (!take_char(scan, '"')) {
        return false;
    }
    const char *start = scan->next;
    while (scan->next < scan->end && *scan->next != '"') {
        if ((uint8_t) *scan->next < ' ') {
            return false;
        }
        if (*scan->next == '\\') {
            scan->next++;
            if (!take_escape(scan)) {
                return false;
            }
            continue;
        }
        size_t size =
            utf8_char_size((struct slice){ scan->next, (size_t) (scan->end - scan->next) });
        if (size == 0) {
            return false;
        }
        scan->next += size;
    }
    *ret_content = (struct slice){ start, (size_t) (scan->next - start) };
    return take_char(scan, '"');
}

static bool
take_digits(struct scan *scan)
{
    const char *start = scan->next;
    while (scan->next < scan->end && *scan->next >= '0' && *scan->next <= '9') {
        scan->next++;
    }
    return scan->next > start;
}

static bool
take_number(struct scan *scan)
{
    (void) take_char(scan, '-');
    if (!take_char(scan, '0') && !take_digits(scan)) {
        return false;
    }
    if (take_char(scan, '.') && !take_digits(scan)) {
        return false;
    }
    if (take_char(scan, 'e') || take_char(scan, 'E')) {
        if (!take_char(scan, '+')) {
            (void) take_char(scan, '-');
        }
        return take_digits(scan);
    }
    return true;
}

static bool
take_literal(struct scan *scan, struct slice literal)
{
    bool is_it = (size_t) (scan->end - scan->next) >= literal.size &&
                 memcmp(scan->next, literal.at, literal.size) == 0;
    scan->next += is_it ? literal.size : 0;
    return is_it;
}

static err_t
take_scalar(struct scan *scan)
{
    struct slice content;
    bool is_good = false;
    switch (scan->next < scan->end ? *scan->next : '\0') {
    case '"': is_good = take_string(scan, &content); break;
    case 't': is_good = take_literal(scan, SLICE("true")); break;
    case 'f': is_good = take_literal(scan, SLICE("false")); break;
    case 'n': is_good = take_literal(scan, SLICE("null")); break;
    default: is_good = take_number(scan); break;
    }
    return is_good ? ERR_OK : ERR_BAD_MESSAGE;
}

static bool
in_object(const struct scan *scan)
{
    return scan->depth > 0 && ((scan->objects >> (scan->depth - 1)) & 1) != 0;
}

static err_t
take_key(struct scan *scan)
{
    struct slice key;
    skip_space(scan);
    if (!take_string(scan, &key)) {
        return ERR_BAD_MESSAGE;
    }
    skip_space(scan);
    if (!take_char(scan, ':')) {
        return ERR_BAD_MESSAGE;
    }
    skip_space(scan);
    bool is_member = scan->depth == 1 && scan->member_start == NULL &&
                     scan->member.at != NULL && slice_equal(key, scan->member);
    if (is_member) {
        scan->member_start = scan->next;
    }
    return ERR_OK;
}

/* '{' or '[' stands next.  *ret_is_empty: it was closed at once, and counts as a value. */
static err_t
open_container(struct scan *scan, bool *ret_is_empty)
{
    if (scan->depth == scan->depth_max) {
        return ERR_TOO_BIG;
    }
    uint64_t bit = UINT64_C(1) << scan->depth++;
    bool is_object = *scan->next++ == '{';
    scan->objects = is_object ? scan->objects | bit : scan->objects & ~bit;
    skip_space(scan);
    *ret_is_empty = take_char(scan, is_object ? '}' : ']');
    if (*ret_is_empty) {
        scan->depth--;
        return ERR_OK;
    }
    return is_object ? take_key(scan) : ERR_OK;
}

/* A value is complete: close what ends here, and step to the next value of what does not.
 * *ret_is_over: the root is complete. */
static err_t
after_value(struct scan *scan, bool *ret_is_over)
{
    for (;;) {
        if (scan->depth == 1 && scan->member_start != NULL && scan->member_end == NULL) {
            scan->member_end = scan->next;
        }
        skip_space(scan);
        if (scan->depth == 0) {
            *ret_is_over = true;
            return scan->next == scan->end ? ERR_OK : ERR_BAD_MESSAGE;
        }
        bool is_object = in_object(scan);
        if (take_char(scan, ',')) {
            return is_object ? take_key(scan) : ERR_OK;
        }
        if (!take_char(scan, is_object ? '}' : ']')) {
            return ERR_BAD_MESSAGE;
        }
        scan->depth--;
    }
}

static err_t
run(struct scan *scan)
{
    bool is_over = false;
    while (!is_over) {
        skip_space(scan);
        bool is_value = true;
        bool is_container =
            scan->next < scan->end && (*scan->next == '{' || *scan->next == '[');
        err_t err = is_container ? open_container(scan, &is_value) : take_scalar(scan);
        if (err == ERR_OK && is_value) {
            err = after_value(scan, &is_over);
        }
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

err_t
json_scan(struct slice text, unsigned depth_max, size_t *ret_at)
{
    CHECK(depth_max <= JSON_SCAN_DEPTH_MAX);

    struct scan scan = { .next = text.at, .end = text.at + text.size, .depth_max = depth_max };
    err_t err = run(&scan);
    *ret_at = (size_t) (scan.next - text.at);
    return err;
}

bool
json_scan_member(struct slice text, struct slice name, struct slice *ret_value)
{
    struct scan scan = { .next = text.at,
        .end = text.at + text.size,
        .depth_max = JSON_SCAN_DEPTH_MAX,
        .member = name };
    bool is_object = text.size > 0 && slice_trim(text).size > 0;
    if (!is_object || run(&scan) != ERR_OK || scan.member_end == NULL) {
        return false;
    }
    size_t size = (size_t) (scan.member_end - scan.member_start);
    *ret_value = (struct slice){ scan.member_start, size };
    return true;
}

/* ---- strings -------------------------------------------------------------------------- */

static uint32_t
hex4(const char *digits)
{
    uint32_t unit = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t c = slice_lower(digits[i]);
        unit = unit * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return unit;
}

static size_t
put_utf8(uint32_t c, char *text)
{
    if (c < 0x80) {
        text[0] = (char) c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, c >>= 6) {
        text[i] = (char) (0x80 | (c & 0x3f));
    }
    text[0] = (char) ((0xf00 >> size & 0xf0) | c);
    return size;
}

/* The character after \u, and how many bytes its digits took; 0: half a pair. */
static size_t
take_unit(const char *digits, const char *end, uint32_t *ret_c)
{
    uint32_t high = hex4(digits);
    if (high < 0xd800 || high > 0xdfff) {
        *ret_c = high;
        return 4;
    }
    if (high > 0xdbff || end - digits < 10 || digits[4] != '\\' || digits[5] != 'u') {
        return 0;
    }
    uint32_t low = hex4(digits + 6);
    if (low < 0xdc00 || low > 0xdfff) {
        return 0;
    }
    *ret_c = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return 10;
}

err_t
json_scan_string(struct slice string, char *text, size_t *ret_size)
{
    static const char escapes[] = "b\bf\fn\nr\rt\t";
    if (string.size < 2 || string.at[0] != '"') {
        return ERR_BAD_KIND;
    }
    const char *next = string.at + 1;
    const char *end = string.at + string.size - 1;
    size_t size = 0;
    while (next < end) {
        if (*next != '\\') {
            text[size++] = *next++;
            continue;
        }
        next++;
        if (*next == 'u') {
            uint32_t c = 0;
            size_t taken = take_unit(next + 1, end, &c);
            if (taken == 0) {
                return ERR_INVALID;
            }
            next += 1 + taken;
            size += put_utf8(c, text + size);
            continue;
        }
        const char *escape = strchr(escapes, *next);
        text[size++] = escape != NULL ? escape[1] : *next;
        next++;
    }
    *ret_size = size;
    return ERR_OK;
}
