/* SPDX-License-Identifier: MIT
 *
 * coordinator/store_url.h - where `store.url: auto` is on this machine.
 *
 * The first of $STATE_DIRECTORY (systemd's), $XDG_STATE_HOME/hedgerow and
 * ~/.local/state/hedgerow that the environment names; its folders are made.
 */
#ifndef COORDINATOR_STORE_URL_H
#define COORDINATOR_STORE_URL_H

#include "common/pure/err.h"

#define STORE_URL_SIZE_MAX 512

/* "sqlite:.../hedgerow.db".  Errors: NOT_FOUND (the environment names no place), TOO_BIG, those
 * of mkdir(2). */
err_t store_url_default(char url[STORE_URL_SIZE_MAX]) MUST_USE;

#endif
