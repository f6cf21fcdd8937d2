// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "zcrx_console/raw_ring.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/fail.h"

#define CQE_BYTES sizeof(struct io_uring_cqe)

static void *ring_map(const struct ring *ring, size_t bytes, off_t offset)
{
	void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, offset);

	if (address == MAP_FAILED)
		fail_errno("mmap of %zu bytes of a ring", bytes);
	return address;
}

int ring_open(struct ring *ring, unsigned int sq_entries, unsigned int cq_entries, unsigned int flags)
{
	struct io_uring_params params = { .flags = flags, .cq_entries = cq_entries };

	ring->fd = syscall(__NR_io_uring_setup, sq_entries, &params);
	if (ring->fd < 0)
		return errno;
	ring->open = true;
	ring->flags = flags;
	ring->sq_entries = params.sq_entries;
	ring->cq_entries = params.cq_entries;
	ring->sq_map_bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned int);
	ring->cq_map_bytes = params.cq_off.cqes +
			     params.cq_entries * CQE_BYTES * (flags & IORING_SETUP_CQE32 ? 2 : 1);
	ring->sq_map = ring_map(ring, ring->sq_map_bytes, IORING_OFF_SQ_RING);
	ring->cq_map = ring_map(ring, ring->cq_map_bytes, IORING_OFF_CQ_RING);
	ring->sqes = ring_map(ring, params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring->sq_head = (unsigned int *)(ring->sq_map + params.sq_off.head);
	ring->sq_tail = (unsigned int *)(ring->sq_map + params.sq_off.tail);
	ring->sq_array = (unsigned int *)(ring->sq_map + params.sq_off.array);
	ring->cq_head = (unsigned int *)(ring->cq_map + params.cq_off.head);
	ring->cq_tail = (unsigned int *)(ring->cq_map + params.cq_off.tail);
	ring->cq_overflow = (unsigned int *)(ring->cq_map + params.cq_off.overflow);
	ring->cqes = ring->cq_map + params.cq_off.cqes;
	return 0;
}

void ring_close(struct ring *ring)
{
	munmap(ring->sqes, ring->sq_entries * sizeof(struct io_uring_sqe));
	munmap(ring->sq_map, ring->sq_map_bytes);
	munmap(ring->cq_map, ring->cq_map_bytes);
	close(ring->fd);
	ring->open = false;
}

int ring_register(const struct ring *ring, unsigned int opcode, void *argument, unsigned int count)
{
	return syscall(__NR_io_uring_register, ring->fd, opcode, argument, count) < 0 ? errno : 0;
}

struct io_uring_sqe *ring_next_sqe(struct ring *ring)
{
	unsigned int tail = *ring->sq_tail;
	unsigned int slot = tail % ring->sq_entries;

	if (tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE) == ring->sq_entries)
		fail("submission ring full");
	memset(&ring->sqes[slot], 0, sizeof(ring->sqes[slot]));
	ring->sq_array[slot] = slot;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	return &ring->sqes[slot];
}

void ring_wait(struct ring *ring, unsigned int milliseconds)
{
	struct __kernel_timespec timeout = {
		.tv_sec = milliseconds / 1000,
		.tv_nsec = (long long)(milliseconds % 1000) * 1000000,
	};
	struct io_uring_getevents_arg argument = { .ts = (uintptr_t)&timeout };
	unsigned int pending = *ring->sq_tail - __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);

	if (syscall(__NR_io_uring_enter, ring->fd, pending, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
		    &argument, sizeof(argument)) < 0 &&
	    errno != ETIME && errno != EINTR && errno != EBUSY)
		fail_errno("io_uring_enter");
}

/* How many slots of 16 bytes a completion takes. */
static unsigned int ring_cqe_slots(const struct ring *ring, const struct io_uring_cqe *cqe)
{
	if (ring->flags & IORING_SETUP_CQE32)
		return 1;
	return cqe->flags & IORING_CQE_F_32 ? 2 : 1;
}

const struct io_uring_cqe *ring_completion(struct ring *ring)
{
	size_t stride = CQE_BYTES * (ring->flags & IORING_SETUP_CQE32 ? 2 : 1);

	for (;;) {
		unsigned int head = *ring->cq_head;
		const struct io_uring_cqe *cqe = (const void *)(ring->cqes + head % ring->cq_entries * stride);

		if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
			return NULL;
		if (!(ring->flags & IORING_SETUP_CQE_MIXED) || !(cqe->flags & IORING_CQE_F_SKIP))
			return cqe;
		__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	}
}

void ring_completion_done(struct ring *ring, const struct io_uring_cqe *cqe)
{
	__atomic_store_n(ring->cq_head, *ring->cq_head + ring_cqe_slots(ring, cqe), __ATOMIC_RELEASE);
}
