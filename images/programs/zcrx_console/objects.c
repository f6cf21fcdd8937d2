// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "zcrx_console/objects.h"

#include "lib/fail.h"

struct ring rings[PLACES];
struct ifq ifqs[PLACES];
struct flow flows[SOCKETS];
int exports[PLACES];

struct ring *ring_of(struct words *words)
{
	struct ring *ring = &rings[place_word(words, "ring", PLACES)];

	if (!ring->open)
		fail("step %s: there is no such ring", words->verb);
	return ring;
}

struct ifq *ifq_of(struct words *words)
{
	struct ifq *ifq = &ifqs[place_word(words, "ifq", PLACES)];

	if (!ifq->open)
		fail("step %s: there is no such IFQ", words->verb);
	return ifq;
}

struct flow *flow_of(struct words *words)
{
	return &flows[place_word(words, "socket", SOCKETS)];
}

struct address address_of(struct words *words)
{
	return parse_address(needed_word(words, "address"), number_word(words, "port", 0));
}

void begin_flow(struct flow *flow, int fd)
{
	flow->fd = fd;
	flow->bytes = 0;
	flow->expected = (struct expected){ 0 };
	sha256_begin(&flow->hash);
}

void take_bytes(struct flow *flow, const void *received, size_t bytes)
{
	sha256_add(&flow->hash, received, bytes);
	expected_compare(&flow->expected, received, bytes);
	flow->bytes += bytes;
}

void adopt_tails(void)
{
	for (unsigned int i = 0; i < PLACES; i++) {
		if (!ifqs[i].open || !ifqs[i].region)
			continue;
		pthread_mutex_lock(&ifqs[i].lock);
		if ((int)(*ifqs[i].rq_tail - ifqs[i].tail) > 0)
			ifqs[i].tail = *ifqs[i].rq_tail;
		pthread_mutex_unlock(&ifqs[i].lock);
	}
}
