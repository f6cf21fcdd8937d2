/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An interface queue (IFQ) of zero-copy receive as a test wants it: any field of the registration may be wrong, any
 * entry of the refill ring may be written, and references to buffers may be kept.
 */
#ifndef TESTBED_IFQ_H
#define TESTBED_IFQ_H

#include <pthread.h>

#include "zcrx_console/raw_ring.h"
#include "zcrx_console/words.h"

struct held {
	uint64_t offset; /* as the completion says */
	uint32_t bytes, check; /* what was received, and a checksum of it */
};

struct ifq {
	bool open;
	uint32_t id, rx_buf_len, rq_entries;
	uint64_t token;
	unsigned char *area, *region; /* NULL: unmapped, or an imported IFQ: those of the exporter */
	size_t area_bytes, region_bytes;
	unsigned int *rq_head, *rq_tail;
	struct io_uring_zcrx_rqe *rqes;
	uint32_t tail; /* what has been written; *rq_tail is what the kernel may see */
	const struct zcrx_stats *stats;
	struct held *held;
	size_t held_count, held_room;
	pthread_mutex_t lock;
};

/* IORING_REGISTER_ZCRX_IFQ. Returns 0 or the errno; `failed` says whether the allocation asked for failed. */
int ifq_register(struct ifq *ifq, const struct ring *ring, unsigned int place, struct words *words, bool *failed);

/* ZCRX_CTRL_EXPORT, FLUSH_RQ, ARM_EVENT or nonsense. Returns 0 or the errno. */
int ifq_control(const struct ring *ring, struct zcrx_ctrl *control, unsigned int count);

uint32_t checksum(const unsigned char *data, size_t bytes);

/* The bytes a completion names. Fails if they do not lie within one buffer of the area. */
const unsigned char *ifq_payload(const struct ifq *ifq, uint64_t offset, size_t bytes);

/* Keeps the buffer at `offset`, with a checksum of its bytes. */
void ifq_hold(struct ifq *ifq, uint64_t offset, uint32_t bytes);

/* Writes an entry behind all others; the kernel sees it once the tail is published. False: the ring is full. */
bool ifq_write(struct ifq *ifq, struct io_uring_zcrx_rqe rqe);
void ifq_publish(struct ifq *ifq);

/* Both, so many times or until the ring is full, while other threads of the program do the same. How many it took. */
unsigned int ifq_return(struct ifq *ifq, struct io_uring_zcrx_rqe rqe, unsigned int times);

/* The entry that gives these bytes back. */
struct io_uring_zcrx_rqe ifq_entry(const struct ifq *ifq, uint64_t offset, uint32_t bytes);

/* All held buffers, from two threads. `same`: each thread returns every one. */
unsigned long ifq_return_by_threads(struct ifq *ifq, bool locked, bool same);

#endif
