/* SPDX-License-Identifier: MIT
 *
 * proto/limits.h - the bound of everything that crosses the wire.
 *
 * What is larger is refused before anything is allocated for it.
 */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#include <stdint.h>

#define WIRE_FRAME_VERSION 1 /* of the header's layout; what is said is versioned below */
#define WIRE_VERSION_MIN   1
#define WIRE_VERSION_MAX   1

#define WIRE_HEADER_SIZE           8
#define WIRE_FRAME_SIZE_MAX        (128 * 1024) /* header and message; bulk travels in chunks */
#define WIRE_FRAME_SIZE_UNAUTH_MAX 8192 /* before the handshake is done; any without bulk */
#define WIRE_PLAIN_SIZE_MAX        (WIRE_FRAME_SIZE_UNAUTH_MAX - WIRE_HEADER_SIZE)
#define WIRE_CHUNK_SIZE_MAX        (64 * 1024) /* bytes of an input or a result in one frame */
#define WIRE_BULK_SIZE_MAX         (4 * 1024 * 1024) /* an input, a result */
#define WIRE_WINDOW_SIZE           (256 * 1024) /* bulk bytes in flight, not yet credited */
#define WIRE_ARENA_SIZE_MAX        (32 * 1024)  /* what decoding one message may allocate */
#define WIRE_FIELDS_MAX            512          /* of one message, counted by the pre-scan */
#define WIRE_FIELDS_UNKNOWN_MAX    16           /* of a newer peer: skipped */
#define WIRE_DEPTH_MAX             4
#define WIRE_CONTROL_SIZE_MAX      1024 /* a frame without bulk, but for a HELLO */

#define WIRE_NAME_SIZE_MAX        64 /* handler, worker, zone: bytes with the final zero */
#define WIRE_MESSAGE_SIZE_MAX     160
#define WIRE_TYPE_SIZE_MAX        128 /* content type */
#define WIRE_TRACEPARENT_SIZE_MAX 64
#define WIRE_HANDLERS_MAX         64
#define WIRE_SLOTS_MAX            65536
#define WIRE_CAUSE_MAX            7                  /* CAUSE_SHUTDOWN of the core */
#define WIRE_FATE_MAX             4                  /* FATE_COMPLETED of the core */
#define WIRE_US_MAX               (INT64_MAX / 1000) /* any *_us: fits a duration_t */
#define WIRE_NONCE_SIZE           32
#define WIRE_MAC_SIZE             32
#define WIRE_TOKEN_SIZE_MIN       16
#define WIRE_TOKEN_SIZE_MAX       256

#define WIRE_HANDSHAKE_MS_MAX      3000
#define WIRE_LINKS_UNAUTH_MAX      64
#define WIRE_HEARTBEAT_MS          1000
#define WIRE_HEARTBEATS_MISSED_MAX 3 /* unless it is configured, like the one above */
#define WIRE_HEARTBEAT_MS_MAX      60000
#define WIRE_MISSED_MAX            100

#endif
