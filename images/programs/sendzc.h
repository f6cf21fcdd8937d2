/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io_uring zero-copy send (IORING_OP_SEND_ZC) over the kernel's own interface: registered buffers, and rings of
 * provided buffers whose entries name parts of registered buffers (kernels/series/provided-registered-buffers).
 * Every call returns 0 or an errno. No liburing.
 */
#ifndef TESTBED_SENDZC_H
#define TESTBED_SENDZC_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fail.h"

#define SENDZC_INDEX_BITS 20 /* IOU_BUF_REGBUF_BITS of the patched kernel's linux/io_uring.h */

/* A group of provided buffers: the ring is ours, `tail` is what we have published. */
struct sendzc_group {
	struct io_uring_buf_ring *ring;
	size_t map_bytes;
	unsigned int entries;
	uint16_t id, tail;
};

struct sendzc_entry {
	uint64_t index, offset;
	uint32_t bytes;
	uint16_t id;
};

static inline void *sendzc_memory(size_t bytes)
{
	void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);

	if (address == MAP_FAILED)
		fail_errno("mmap of %zu bytes", bytes);
	return address;
}

static inline int sendzc_register(int ring_fd, unsigned int what, const void *argument, unsigned int count)
{
	return syscall(__NR_io_uring_register, ring_fd, what, argument, count) < 0 ? errno : 0;
}

/* A table of registered buffers, all slots empty. */
static inline int sendzc_table(int ring_fd, unsigned int slots)
{
	struct io_uring_rsrc_register table = { .nr = slots, .flags = IORING_RSRC_REGISTER_SPARSE };

	return sendzc_register(ring_fd, IORING_REGISTER_BUFFERS2, &table, sizeof(table));
}

/* Registers memory as buffer `slot`; NULL empties the slot. */
static inline int sendzc_slot(int ring_fd, unsigned int slot, void *memory, size_t bytes)
{
	struct iovec buffer = { .iov_base = memory, .iov_len = bytes };
	struct io_uring_rsrc_update2 update = { .offset = slot, .data = (uintptr_t)&buffer, .nr = 1 };

	return sendzc_register(ring_fd, IORING_REGISTER_BUFFERS_UPDATE, &update, sizeof(update));
}

/* A ring of provided buffers; `entries` is a power of 2; incremental: IOU_PBUF_RING_INC. */
static inline int sendzc_group_open(int ring_fd, struct sendzc_group *group, uint16_t id, unsigned int entries,
				    bool incremental)
{
	struct io_uring_buf_reg registration = {
		.ring_entries = entries,
		.bgid = id,
		.flags = incremental ? IOU_PBUF_RING_INC : 0,
	};

	*group = (struct sendzc_group){ .entries = entries, .id = id, .map_bytes = entries * sizeof(struct io_uring_buf) };
	group->ring = sendzc_memory(group->map_bytes);
	registration.ring_addr = (uintptr_t)group->ring;
	return sendzc_register(ring_fd, IORING_REGISTER_PBUF_RING, &registration, 1);
}

/* Publishes an entry; the caller knows that there is room. */
static inline void sendzc_provide(struct sendzc_group *group, struct sendzc_entry entry)
{
	struct io_uring_buf *slot = &group->ring->bufs[group->tail % group->entries];

	slot->addr = entry.offset << SENDZC_INDEX_BITS | entry.index;
	slot->len = entry.bytes;
	slot->bid = entry.id;
	__atomic_store_n(&group->ring->tail, ++group->tail, __ATOMIC_RELEASE);
}

/* How many entries the kernel has consumed, modulo 2^16. */
static inline int sendzc_consumed(int ring_fd, uint16_t group, uint32_t *consumed)
{
	struct io_uring_buf_status status = { .buf_group = group };
	int error = sendzc_register(ring_fd, IORING_REGISTER_PBUF_STATUS, &status, 1);

	*consumed = status.head;
	return error;
}

/* A send of what the group's ring offers: at most `bytes` (0: no limit) of one entry or, bundled, of many. */
static inline void sendzc_from_group(struct io_uring_sqe *sqe, int socket, uint16_t group, uint32_t bytes, bool bundle)
{
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_SEND_ZC;
	sqe->fd = socket;
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = group;
	sqe->len = bytes;
	sqe->ioprio = IORING_RECVSEND_FIXED_BUF | (bundle ? IORING_RECVSEND_BUNDLE : 0);
}

/* A ring for sends alone. */
struct sendzc_ring {
	int fd;
	unsigned int sq_entries, cq_entries;
	unsigned int *sq_tail, *sq_head, *sq_array, *cq_head, *cq_tail;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static inline void *sendzc_ring_map(int fd, size_t bytes, off_t offset)
{
	void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

	if (address == MAP_FAILED)
		fail_errno("mmap of a ring");
	return address;
}

static inline void sendzc_ring_open(struct sendzc_ring *ring, unsigned int entries, unsigned int flags)
{
	struct io_uring_params params = { .flags = flags | IORING_SETUP_CQSIZE, .cq_entries = 4 * entries };
	unsigned char *sq, *cq;

	ring->fd = syscall(__NR_io_uring_setup, entries, &params);
	if (ring->fd < 0)
		fail_errno("io_uring_setup");
	sq = sendzc_ring_map(ring->fd, params.sq_off.array + params.sq_entries * sizeof(unsigned int), IORING_OFF_SQ_RING);
	cq = sendzc_ring_map(ring->fd, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
			     IORING_OFF_CQ_RING);
	ring->sqes = sendzc_ring_map(ring->fd, params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring->sq_entries = params.sq_entries;
	ring->cq_entries = params.cq_entries;
	ring->sq_head = (unsigned int *)(sq + params.sq_off.head);
	ring->sq_tail = (unsigned int *)(sq + params.sq_off.tail);
	ring->sq_array = (unsigned int *)(sq + params.sq_off.array);
	ring->cq_head = (unsigned int *)(cq + params.cq_off.head);
	ring->cq_tail = (unsigned int *)(cq + params.cq_off.tail);
	ring->cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
}

/* Queues a copy of `sqe`; sendzc_enter() submits it. */
static inline void sendzc_queue(struct sendzc_ring *ring, const struct io_uring_sqe *sqe)
{
	unsigned int tail = *ring->sq_tail, slot = tail % ring->sq_entries;

	if (tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE) == ring->sq_entries)
		fail("submission ring full");
	ring->sqes[slot] = *sqe;
	ring->sq_array[slot] = slot;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

/* Submits what is queued and waits up to `milliseconds` for `count` completions. How many were submitted, or -errno. */
static inline int sendzc_enter(struct sendzc_ring *ring, unsigned int count, unsigned int milliseconds)
{
	struct __kernel_timespec timeout = {
		.tv_sec = milliseconds / 1000,
		.tv_nsec = (long long)(milliseconds % 1000) * 1000000,
	};
	struct io_uring_getevents_arg argument = { .ts = (uintptr_t)&timeout };
	unsigned int queued = *ring->sq_tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);
	int submitted = syscall(__NR_io_uring_enter, ring->fd, queued, count,
				IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof(argument));

	if (submitted < 0 && (errno == ETIME || errno == EINTR))
		return 0;
	return submitted < 0 ? -errno : submitted;
}

/* The next completion, or NULL. */
static inline const struct io_uring_cqe *sendzc_completion(const struct sendzc_ring *ring)
{
	unsigned int head = *ring->cq_head;

	if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
		return NULL;
	return &ring->cqes[head % ring->cq_entries];
}

static inline void sendzc_completion_done(struct sendzc_ring *ring)
{
	__atomic_store_n(ring->cq_head, *ring->cq_head + 1, __ATOMIC_RELEASE);
}

#endif
