/* SPDX-License-Identifier: MIT */
#include "common/pure/err.h"

#include <errno.h>

static const char *const err_names[] = {
#define ERR_NAME(name, text) [ERR_##name] = #name,
    ERR_LIST(ERR_NAME)
#undef ERR_NAME
};

static const char *const err_texts[] = {
#define ERR_TEXT(name, text) [ERR_##name] = text,
    ERR_LIST(ERR_TEXT)
#undef ERR_TEXT
};

const char *
err_name(err_t err)
{
    CHECK(err < ERR_COUNT);
    return err_names[err];
}

const char *
err_text(err_t err)
{
    CHECK(err < ERR_COUNT);
    return err_texts[err];
}

err_t
err_from_errno(int error_number)
{
    static const struct {
        int error_number;
        err_t err;
    } table[] = {
        { ENOMEM, ERR_NO_MEMORY },
        { ENOENT, ERR_NOT_FOUND },
        { ESRCH, ERR_NOT_FOUND },
        { EEXIST, ERR_EXISTS },
        { EINVAL, ERR_INVALID },
        { ERANGE, ERR_RANGE },
        { EFBIG, ERR_TOO_BIG },
        { EMSGSIZE, ERR_TOO_BIG },
        { EPIPE, ERR_CLOSED },
        { ECONNRESET, ERR_CLOSED },
        { ECONNREFUSED, ERR_REFUSED },
        { EHOSTUNREACH, ERR_UNREACHABLE },
        { ENETUNREACH, ERR_UNREACHABLE },
        { ETIMEDOUT, ERR_TIMEOUT },
        { ECANCELED, ERR_CANCELLED },
        { EAGAIN, ERR_AGAIN },
        { EMFILE, ERR_FULL },
        { ENFILE, ERR_FULL },
        { ENOSPC, ERR_FULL },
        { EACCES, ERR_PERMISSION },
        { EPERM, ERR_PERMISSION },
        { EADDRINUSE, ERR_IN_USE },
        { ENOSYS, ERR_UNSUPPORTED },
        { EOPNOTSUPP, ERR_UNSUPPORTED },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(table); i++) {
        if (table[i].error_number == error_number) {
            return table[i].err;
        }
    }
    return error_number == 0 ? ERR_OK : ERR_IO;
}
