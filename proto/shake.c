/* SPDX-License-Identifier: MIT */
#include "proto/shake.h"

#include <string.h>

#define TRANSCRIPT_SIZE_MAX (SHAKE_LABEL_SIZE + 3 * WIRE_FRAME_SIZE_UNAUTH_MAX)

void
shake_init(struct shake *shake, const struct shake_crypto *crypto, const uint8_t *token,
    size_t token_size)
{
    CHECK(token == NULL || token_size >= WIRE_TOKEN_SIZE_MIN);
    *shake = (struct shake){ .crypto = *crypto, .token = token, .token_size = token_size };
}

void
shake_fini(struct shake *shake)
{
    buffer_fini(&shake->transcript);
}

err_t
shake_add(struct shake *shake, const uint8_t *frame, size_t size)
{
    struct buffer *transcript = &shake->transcript;
    err_t err = buffer_reserve(transcript, SHAKE_LABEL_SIZE + size, TRANSCRIPT_SIZE_MAX);
    if (err != ERR_OK) {
        return err;
    }
    if (transcript->size == 0) {
        transcript->size = SHAKE_LABEL_SIZE;
    }
    memcpy(transcript->bytes + transcript->size, frame, size);
    transcript->size += size;
    return ERR_OK;
}

/* Over what was said before and this frame without its MAC. */
static err_t
make_mac(struct shake *shake, enum wire_kind kind, const uint8_t *frame, size_t size,
    uint8_t mac[WIRE_MAC_SIZE])
{
    CHECK(kind == WIRE_HELLO || kind == WIRE_WELCOME);
    CHECK(size > WIRE_MAC_SIZE);

    err_t err = shake_add(shake, frame, size - WIRE_MAC_SIZE);
    if (err != ERR_OK) {
        return err;
    }
    char label[SHAKE_LABEL_SIZE] = "hedgerow hello";
    if (kind == WIRE_WELCOME) {
        memcpy(label, "hedgerow welcome", sizeof label);
    }
    memcpy(shake->transcript.bytes, label, sizeof label);
    memset(mac, 0, WIRE_MAC_SIZE);
    if (shake->token != NULL) {
        shake->crypto.hmac(shake->token, shake->token_size, shake->transcript.bytes,
            shake->transcript.size, mac);
    }
    return ERR_OK;
}

err_t
shake_sign(struct shake *shake, enum wire_kind kind, uint8_t *frame, size_t size)
{
    uint8_t mac[WIRE_MAC_SIZE];
    err_t err = make_mac(shake, kind, frame, size, mac);
    if (err != ERR_OK) {
        return err;
    }
    memcpy(frame + size - WIRE_MAC_SIZE, mac, WIRE_MAC_SIZE);
    return shake_add(shake, mac, WIRE_MAC_SIZE);
}

err_t
shake_verify(struct shake *shake, enum wire_kind kind, const uint8_t *frame, size_t size)
{
    uint8_t mac[WIRE_MAC_SIZE];
    if (size <= WIRE_MAC_SIZE) {
        return ERR_AUTH;
    }
    err_t err = make_mac(shake, kind, frame, size, mac);
    if (err != ERR_OK) {
        return err;
    }
    if (!shake->crypto.equal(mac, frame + size - WIRE_MAC_SIZE, WIRE_MAC_SIZE)) {
        return ERR_AUTH;
    }
    return shake_add(shake, mac, WIRE_MAC_SIZE);
}
