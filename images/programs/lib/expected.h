/* SPDX-License-Identifier: GPL-2.0-only */
/* What a receiver expects of a seeded stream (sockets.h), and where what came differs from it. */
#ifndef EXPECTED_H
#define EXPECTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define DIFFERENCES_KEPT 4
#define DIFFERENCE_BYTES 64
#define EQUAL_AGAIN 16 /* so many equal bytes in a row end a difference */
#define FLOW_UNKNOWN (-1)

struct difference {
	uint64_t offset, bytes; /* from the first to the last byte that differs */
	unsigned char received[DIFFERENCE_BYTES]; /* from offset on */
	unsigned int kept; /* bytes of received[] */
};

/* All zero: nothing is expected, and nothing compared. */
struct expected {
	bool compared;
	int flow; /* of the sender, told by the first bytes; FLOW_UNKNOWN: they are of none */
	uint64_t seed, flows, state, word, offset, count, equal;
	struct difference *open;
	struct difference first[DIFFERENCES_KEPT], further; /* of count differences */
};

/* The stream will be one of the first `flows` that a sender makes of `seed`. */
void expect_stream(struct expected *expected, uint64_t seed, uint64_t flows);
/* The next bytes that came. */
void expected_compare(struct expected *expected, const unsigned char *received, size_t bytes);
/* Nothing, or ,"differs":{"flow":..,"count":..,"first":[{"offset":..,"bytes":..,"received":"hex"},..]} */
void expected_print(const struct expected *expected, FILE *out);

#endif
