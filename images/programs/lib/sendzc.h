/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io_uring zero-copy send (IORING_OP_SEND_ZC): registered buffers, and rings of provided buffers whose entries name
 * parts of registered buffers (kernels/series/provided-registered-buffers). Every call returns 0 or an errno.
 */
#ifndef TESTBED_SENDZC_H
#define TESTBED_SENDZC_H

#include <linux/io_uring.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#define SENDZC_INDEX_BITS 20 /* IOU_BUF_REGBUF_BITS of the patched kernel's linux/io_uring.h */

/* A group of provided buffers. */
struct sendzc_group {
	struct io_uring_buf_ring *ring;
	unsigned int entries;
};

struct sendzc_entry {
	uint64_t index, offset;
	uint32_t bytes;
	uint16_t id;
};

/* Registers memory as buffer `slot`; NULL empties the slot. */
int sendzc_slot(struct io_uring *ring, unsigned int slot, void *memory, size_t bytes);

/* A ring of provided buffers; `entries` is a power of 2; incremental: IOU_PBUF_RING_INC. */
int sendzc_group_open(struct io_uring *ring, struct sendzc_group *group, uint16_t id, unsigned int entries,
		      bool incremental);

/* Publishes an entry; the caller knows that there is room. */
void sendzc_provide(struct sendzc_group *group, struct sendzc_entry entry);

/* A send of what the group's ring offers: at most `bytes` (0: no limit) of one entry or, bundled, of many. */
void sendzc_from_group(struct io_uring_sqe *sqe, int socket, uint16_t group, uint32_t bytes, bool bundle);

#endif
