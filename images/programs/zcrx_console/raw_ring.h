/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An io_uring as the kernel makes it, whatever its flags, without liburing: for programs that test what the kernel
 * refuses.
 */
#ifndef TESTBED_RAW_RING_H
#define TESTBED_RAW_RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>

struct ring {
	bool open;
	int fd;
	unsigned int flags, sq_entries, cq_entries;
	unsigned int *sq_tail, *sq_head, *sq_array, *cq_head, *cq_tail, *cq_overflow;
	struct io_uring_sqe *sqes;
	unsigned char *cqes, *sq_map, *cq_map;
	size_t sq_map_bytes, cq_map_bytes;
};

/* Returns 0 or the errno. */
int ring_open(struct ring *ring, unsigned int sq_entries, unsigned int cq_entries, unsigned int flags);

void ring_close(struct ring *ring);

/* io_uring_register(). Returns 0 or the errno. */
int ring_register(const struct ring *ring, unsigned int opcode, void *argument, unsigned int count);

/* A cleared submission entry; ring_wait() submits it. */
struct io_uring_sqe *ring_next_sqe(struct ring *ring);

/* Submits, then lets the kernel work for up to `milliseconds` or until there is a completion. */
void ring_wait(struct ring *ring, unsigned int milliseconds);

/* The next completion, or NULL. With mixed sizes a filler before the end of the ring is passed over. */
const struct io_uring_cqe *ring_completion(struct ring *ring);
void ring_completion_done(struct ring *ring, const struct io_uring_cqe *cqe);

#endif
