// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/sendzc.h"

int sendzc_slot(struct io_uring *ring, unsigned int slot, void *memory, size_t bytes)
{
	const struct iovec buffer = { .iov_base = memory, .iov_len = bytes };
	int status = io_uring_register_buffers_update_tag(ring, slot, &buffer, NULL, 1);

	return status < 0 ? -status : 0;
}

int sendzc_group_open(struct io_uring *ring, struct sendzc_group *group, uint16_t id, unsigned int entries,
		      bool incremental)
{
	int status = 0;

	group->entries = entries;
	group->ring = io_uring_setup_buf_ring(ring, entries, id, incremental ? IOU_PBUF_RING_INC : 0, &status);
	return -status;
}

void sendzc_provide(struct sendzc_group *group, struct sendzc_entry entry)
{
	void *address = (void *)(uintptr_t)(entry.offset << SENDZC_INDEX_BITS | entry.index);

	io_uring_buf_ring_add(group->ring, address, entry.bytes, entry.id,
			      io_uring_buf_ring_mask(group->entries), 0);
	io_uring_buf_ring_advance(group->ring, 1);
}

void sendzc_from_group(struct io_uring_sqe *sqe, int socket, uint16_t group, uint32_t bytes, bool bundle)
{
	io_uring_prep_send_zc(sqe, socket, NULL, bytes, 0,
			      IORING_RECVSEND_FIXED_BUF | (bundle ? IORING_RECVSEND_BUNDLE : 0));
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = group;
}
