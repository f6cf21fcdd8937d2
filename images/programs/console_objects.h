/* SPDX-License-Identifier: GPL-2.0-only */
/* What the steps of zcrx_console act on: rings, IFQs, sockets and exports, by number. */
#ifndef TESTBED_CONSOLE_OBJECTS_H
#define TESTBED_CONSOLE_OBJECTS_H

#include "console_ifq.h"
#include "sha256.h"
#include "sockets.h"

#define PLACES 8
#define SOCKETS 64
#define STEP_TIMEOUT_MS 10000
#define DEFAULT_RING_FLAGS (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE32 | \
			    IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL)
#define CANCEL_USER_DATA (UINT64_C(1) << 62)

struct flow {
	int fd;
	uint64_t bytes;
	struct sha256 hash;
};

static struct ring rings[PLACES];
static struct ifq ifqs[PLACES];
static struct flow flows[SOCKETS];
static int exports[PLACES];

static inline struct ring *ring_of(struct words *words)
{
	struct ring *ring = &rings[place_word(words, "ring", PLACES)];

	if (!ring->open)
		fail("step %s: there is no such ring", words->verb);
	return ring;
}

static inline struct ifq *ifq_of(struct words *words)
{
	struct ifq *ifq = &ifqs[place_word(words, "ifq", PLACES)];

	if (!ifq->open)
		fail("step %s: there is no such IFQ", words->verb);
	return ifq;
}

static inline struct flow *flow_of(struct words *words)
{
	return &flows[place_word(words, "socket", SOCKETS)];
}

static inline struct address address_of(struct words *words)
{
	return parse_address(needed_word(words, "address"), number_word(words, "port", 0));
}

static inline void begin_flow(struct flow *flow, int fd)
{
	flow->fd = fd;
	flow->bytes = 0;
	sha256_begin(&flow->hash);
}

/* Imported IFQs write to the same refill ring: each continues behind what the others published. */
static inline void adopt_tails(void)
{
	for (unsigned int i = 0; i < PLACES; i++) {
		if (ifqs[i].open && ifqs[i].region && (int)(*ifqs[i].rq_tail - ifqs[i].tail) > 0)
			ifqs[i].tail = *ifqs[i].rq_tail;
	}
}

#endif
