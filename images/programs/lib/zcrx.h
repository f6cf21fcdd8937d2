/* SPDX-License-Identifier: GPL-2.0-only */
/* Zero-copy receive by io_uring: one ring, one interface queue (IFQ) with its area of buffers and its refill ring. */
#ifndef TESTBED_ZCRX_H
#define TESTBED_ZCRX_H

#include <linux/io_uring.h> /* before liburing.h, whose own copy knows no events and statistics of zcrx yet */
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#define ZCRX_EVENT_USER_DATA UINT64_MAX
#define SQ_ENTRIES 1024

struct zcrx {
	struct io_uring ring;

	uint32_t zcrx_id;
	unsigned char *area;
	size_t area_bytes;
	uint32_t rx_buf_len;
	uint64_t area_token;
	unsigned char *region; /* refill ring and statistics */
	size_t region_bytes;
	struct io_uring_zcrx_rq refill; /* rq_tail: what the kernel may see */
	const struct zcrx_stats *stats; /* NULL: this kernel does not count copies */

	uint64_t given; /* buffer references handed to us by completions */
	uint64_t returned; /* of these, put into the refill ring */
};

struct zcrx_options {
	const char *ifname;
	unsigned int queue;
	size_t area_bytes;
	uint32_t rx_buf_len; /* 0: the kernel's default, one page */
	bool without_device; /* ZCRX_REG_NODEV: everything is copied */
	unsigned char region_content; /* what each byte of the region holds before it is registered */
};

void zcrx_create_ring(struct zcrx *zcrx);

/* IORING_REGISTER_ZCRX_IFQ. Returns 0 or the errno, so that a caller may wait for a queue still in use. */
int zcrx_register(struct zcrx *zcrx, const struct zcrx_options *options);

/* A cleared submission entry; ends the program if there is none. */
struct io_uring_sqe *zcrx_next_sqe(struct zcrx *zcrx);

/*
 * Queues a multishot receive of `bytes` (0: no limit): completions come until the flow or the request ends (no
 * IORING_CQE_F_MORE).
 */
void zcrx_receive(struct zcrx *zcrx, int fd, uint64_t user_data, uint32_t bytes);

/* Submits, then waits up to `milliseconds` for a completion. */
void zcrx_wait(struct zcrx *zcrx, unsigned int milliseconds);

/* The next completion (its zcrx half lies right behind it), or NULL. */
const struct io_uring_cqe *zcrx_completion(struct zcrx *zcrx);
void zcrx_completion_done(struct zcrx *zcrx);

/* The bytes a completion names. Fails if they do not lie within one buffer of the area. */
const unsigned char *zcrx_payload(struct zcrx *zcrx, const struct io_uring_cqe *cqe);

/* Gives the bytes of a completion back through the refill ring. */
void zcrx_return(struct zcrx *zcrx, const struct io_uring_cqe *cqe);

/*
 * Makes the kernel take back what lies in the refill ring (ZCRX_CTRL_FLUSH_RQ). Returns how many entries it left
 * there, or -1 if this kernel does not know the call: it takes entries as the driver needs them, the rest at close.
 */
long zcrx_flush(struct zcrx *zcrx);

/* Lets the queue go: the kernel restarts it with its own memory once the ring is closed and unmapped. */
void zcrx_destroy(struct zcrx *zcrx);

#endif
