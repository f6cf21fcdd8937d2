/* SPDX-License-Identifier: GPL-2.0-only */
/* What the steps of zcrx_console act on: rings, IFQs, sockets and exports, by number. */
#ifndef TESTBED_OBJECTS_H
#define TESTBED_OBJECTS_H

#include "lib/expected.h"
#include "lib/sha256.h"
#include "lib/sockets.h"
#include "zcrx_console/ifq.h"

#define PLACES 8
#define SOCKETS 64
#define STEP_TIMEOUT_MS 10000
#define DEFAULT_RING_FLAGS (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE32 | \
			    IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL)

struct flow {
	int fd;
	uint64_t bytes;
	struct sha256 hash;
	struct expected expected; /* of what is received; see the step `expect` */
};

extern struct ring rings[PLACES];
extern struct ifq ifqs[PLACES];
extern struct flow flows[SOCKETS];
extern int exports[PLACES];

/* What ring=, ifq=, socket=, address= and port= name; a ring or IFQ that is not open ends the program. */
struct ring *ring_of(struct words *words);
struct ifq *ifq_of(struct words *words);
struct flow *flow_of(struct words *words);
struct address address_of(struct words *words);

void begin_flow(struct flow *flow, int fd);

/* The next bytes that were received. */
void take_bytes(struct flow *flow, const void *received, size_t bytes);

/* Imported IFQs write to the same refill ring: each continues behind what the others published. */
void adopt_tails(void);

/* Carries a step out and writes its answer. */
struct step {
	const char *verb;
	void (*take)(struct words *words, FILE *out);
};

/* Each ends with an entry without a verb. */
extern const struct step ring_steps[], area_steps[], flow_steps[], receive_steps[], refill_steps[], flusher_steps[];

#endif
