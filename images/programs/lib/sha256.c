// SPDX-License-Identifier: GPL-2.0-only
#include "lib/sha256.h"

#include <stdio.h>
#include <string.h>

static const uint32_t sha256_k[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t sha256_ror(uint32_t value, unsigned int count)
{
	return value >> count | value << (32 - count);
}

static void sha256_blocks_portable(uint32_t state[8], const unsigned char *data, size_t blocks)
{
	uint32_t w[64], s[8];

	for (; blocks; blocks--, data += SHA256_BLOCK) {
		for (int i = 0; i < 16; i++)
			w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 |
			       (uint32_t)data[4 * i + 2] << 8 | data[4 * i + 3];
		for (int i = 16; i < 64; i++) {
			uint32_t a = w[i - 15], b = w[i - 2];

			w[i] = w[i - 16] + w[i - 7] +
			       (sha256_ror(a, 7) ^ sha256_ror(a, 18) ^ a >> 3) +
			       (sha256_ror(b, 17) ^ sha256_ror(b, 19) ^ b >> 10);
		}
		memcpy(s, state, sizeof(s));
		for (int i = 0; i < 64; i++) {
			uint32_t t1 = s[7] + sha256_k[i] + w[i] +
				      (sha256_ror(s[4], 6) ^ sha256_ror(s[4], 11) ^ sha256_ror(s[4], 25)) +
				      ((s[4] & s[5]) ^ (~s[4] & s[6]));
			uint32_t t2 = (sha256_ror(s[0], 2) ^ sha256_ror(s[0], 13) ^ sha256_ror(s[0], 22)) +
				      ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

			memmove(s + 1, s, 7 * sizeof(*s));
			s[4] += t1;
			s[0] = t1 + t2;
		}
		for (int i = 0; i < 8; i++)
			state[i] += s[i];
	}
}

#if defined(__x86_64__) && !defined(SHA256_PORTABLE)
#include <cpuid.h>
#include <immintrin.h>

static int sha256_has_extensions(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3))
		return 0;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1U << 29));
}

/* The instructions keep the state as (ABEF, CDGH): Intel SDM, SHA256RNDS2. */
__attribute__((target("sha,sse4.1,ssse3"))) static void
sha256_blocks_extensions(uint32_t state[8], const unsigned char *data, size_t blocks)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bULL, 0x0405060700010203ULL);
	__m128i abcd = _mm_loadu_si128((const __m128i *)state);
	__m128i efgh = _mm_loadu_si128((const __m128i *)(state + 4));
	__m128i cdab = _mm_shuffle_epi32(abcd, 0xb1);
	__m128i hgfe = _mm_shuffle_epi32(efgh, 0x1b);
	__m128i abef = _mm_alignr_epi8(cdab, hgfe, 8);
	__m128i cdgh = _mm_blend_epi16(hgfe, cdab, 0xf0);

	for (; blocks; blocks--, data += SHA256_BLOCK) {
		const __m128i abef_before = abef, cdgh_before = cdgh;
		__m128i w[4];

		for (int i = 0; i < 4; i++)
			w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data + i), swap);
		for (int group = 0; group < 16; group++) {
			__m128i now = w[group % 4];
			__m128i sum = _mm_add_epi32(now, _mm_load_si128((const __m128i *)sha256_k + group));

			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
			if (group < 12) {
				__m128i last = w[(group + 3) % 4];
				__m128i next = _mm_sha256msg1_epu32(now, w[(group + 1) % 4]);

				next = _mm_add_epi32(next, _mm_alignr_epi8(last, w[(group + 2) % 4], 4));
				w[group % 4] = _mm_sha256msg2_epu32(next, last);
			}
		}
		abef = _mm_add_epi32(abef, abef_before);
		cdgh = _mm_add_epi32(cdgh, cdgh_before);
	}
	cdab = _mm_shuffle_epi32(abef, 0x1b);
	hgfe = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(cdab, hgfe, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(hgfe, cdab, 8));
}
#endif

static void sha256_blocks(uint32_t state[8], const unsigned char *data, size_t blocks)
{
#if defined(__x86_64__) && !defined(SHA256_PORTABLE)
	static int extensions = -1;

	if (extensions < 0)
		extensions = sha256_has_extensions();
	if (extensions) {
		sha256_blocks_extensions(state, data, blocks);
		return;
	}
#endif
	sha256_blocks_portable(state, data, blocks);
}

void sha256_begin(struct sha256 *hash)
{
	static const uint32_t initial[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	memset(hash, 0, sizeof(*hash));
	memcpy(hash->state, initial, sizeof(initial));
}

void sha256_add(struct sha256 *hash, const void *data, size_t length)
{
	const unsigned char *bytes = data;

	hash->length += length;
	if (hash->used) {
		size_t take = SHA256_BLOCK - hash->used;

		if (take > length)
			take = length;
		memcpy(hash->block + hash->used, bytes, take);
		hash->used += take;
		bytes += take;
		length -= take;
		if (hash->used < SHA256_BLOCK)
			return;
		sha256_blocks(hash->state, hash->block, 1);
		hash->used = 0;
	}
	sha256_blocks(hash->state, bytes, length / SHA256_BLOCK);
	bytes += length - length % SHA256_BLOCK;
	hash->used = length % SHA256_BLOCK;
	memcpy(hash->block, bytes, hash->used);
}

void sha256_end(struct sha256 *hash, char hex[SHA256_HEX])
{
	static const unsigned char padding[SHA256_BLOCK + 8] = { 0x80 };
	uint64_t bits = hash->length * 8;
	unsigned char tail[8];

	sha256_add(hash, padding, (hash->used < 56 ? 56 : 120) - hash->used);
	for (int i = 0; i < 8; i++)
		tail[i] = bits >> (56 - 8 * i);
	sha256_add(hash, tail, sizeof(tail));
	for (int i = 0; i < 8; i++)
		snprintf(hex + 8 * i, 9, "%08x", hash->state[i]);
}
