/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SHA-256 (FIPS 180-4). On x86 the SHA extensions are used where the CPU has them: under emulation they are
 * several times faster than the portable rounds, and both ends of a stream are hashed in the same guest.
 */
#ifndef TESTBED_SHA256_H
#define TESTBED_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK 64
#define SHA256_HEX (2 * 32 + 1)

struct sha256 {
	uint32_t state[8];
	uint64_t length;
	unsigned int used;
	unsigned char block[SHA256_BLOCK];
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t length);

/* Ends `hash`; writes it in lower-case hex. */
void sha256_end(struct sha256 *hash, char hex[SHA256_HEX]);

#endif
