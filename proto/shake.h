/* SPDX-License-Identifier: MIT
 *
 * proto/shake.h - prove to the other side that we hold the same token.
 *
 *   coordinator                                  worker
 *      CHALLENGE nonce_c, epoch, versions ------>
 *      <------- HELLO nonce_w, all about it, mac = H("hello",   CHALLENGE | HELLO)
 *      WELCOME mac = H("welcome", CHALLENGE | HELLO | WELCOME) ------>
 *
 * H is HMAC-SHA256 under the token, over a label and the frames exactly as they crossed the
 * wire (a frame that carries a MAC without that MAC, its last 32 bytes).  So nothing that
 * was said can be changed, not even the versions or needs_token, a HELLO cannot be played
 * again (the nonce is new), and one side's proof is not the other's (the label).
 *
 * It authenticates the handshake, not what follows: across hosts links want TLS below.
 *
 * MEMORY    three small frames, given back with shake_fini
 * REJECTED  a MAC over re-encoded fields: a field that an older peer does not know would
 *           break it
 */
#ifndef PROTO_SHAKE_H
#define PROTO_SHAKE_H

#include "proto/buffer.h"
#include "proto/wire.h"

#define SHAKE_LABEL_SIZE 16

/* common/edge/crypto.h has them; proto must not see it. */
struct shake_crypto {
    void (*hmac)(const void *key, size_t key_size, const void *bytes, size_t size,
        uint8_t mac[WIRE_MAC_SIZE]);
    bool (*equal)(const void *a, const void *b, size_t size);
};

struct shake {
    struct shake_crypto crypto;
    const uint8_t *token; /* NULL: none; every MAC is then zero */
    size_t token_size;
    struct buffer transcript; /* room for a label, then the frames so far */
};

void shake_init(struct shake *shake, const struct shake_crypto *crypto, const uint8_t *token,
    size_t token_size);
void shake_fini(struct shake *shake);
/* Remember a frame that has no MAC. */
err_t shake_add(struct shake *shake, const uint8_t *frame, size_t size) MUST_USE;
/* Put the MAC into the frame's last bytes, and remember it. */
err_t
shake_sign(struct shake *shake, enum wire_kind kind, uint8_t *frame, size_t size) MUST_USE;
/* Errors: AUTH. */
err_t shake_verify(
    struct shake *shake, enum wire_kind kind, const uint8_t *frame, size_t size) MUST_USE;

#endif
