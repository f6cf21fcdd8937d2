/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * io_uring zero-copy receive over the kernel's own interface (linux/io_uring.h, linux/io_uring/zcrx.h): one ring,
 * one interface queue (IFQ) with its area of buffers and its refill ring. No liburing.
 */
#ifndef TESTBED_ZCRX_H
#define TESTBED_ZCRX_H

#include <linux/io_uring.h>
#include <linux/io_uring/zcrx.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fail.h"

#define ZCRX_EVENT_USER_DATA UINT64_MAX
#define HUGE_PAGE_BYTES (2UL << 20)
#define SQ_ENTRIES 1024
#define CQ_ENTRIES 8192
#define RQ_ENTRIES_MAX 32768 /* the kernel's own limit for a refill ring */

struct zcrx {
	int ring_fd;
	unsigned int sq_entries, cq_entries;
	unsigned int *sq_tail, *sq_head, *sq_array, *cq_head, *cq_tail, *cq_overflow;
	struct io_uring_sqe *sqes;
	unsigned char *cqes; /* CQE32: 32 bytes each */
	unsigned char *sq_map, *cq_map;
	size_t sq_map_bytes, cq_map_bytes;
	unsigned int to_submit;

	uint32_t zcrx_id;
	unsigned char *area;
	size_t area_bytes;
	uint32_t rx_buf_len;
	uint64_t area_token;
	unsigned int rq_entries;
	unsigned char *region; /* refill ring and statistics */
	size_t region_bytes;
	unsigned int *rq_head, *rq_tail;
	struct io_uring_zcrx_rqe *rqes;
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

static inline void *zcrx_map(size_t bytes, int flags, int fd, off_t offset, const char *what)
{
	void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd, offset);

	if (address == MAP_FAILED)
		fail_errno("mmap of %zu bytes for the %s", bytes, what);
	return address;
}

static inline void zcrx_create_ring(struct zcrx *zcrx)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE32 |
			 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
		.cq_entries = CQ_ENTRIES,
	};
	unsigned char *sq, *cq;

	zcrx->ring_fd = syscall(__NR_io_uring_setup, SQ_ENTRIES, &params);
	if (zcrx->ring_fd < 0)
		fail_errno("io_uring_setup");
	zcrx->sq_map_bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned int);
	zcrx->cq_map_bytes = params.cq_off.cqes + params.cq_entries * 2 * sizeof(struct io_uring_cqe);
	sq = zcrx_map(zcrx->sq_map_bytes, MAP_SHARED, zcrx->ring_fd, IORING_OFF_SQ_RING, "submission ring");
	cq = zcrx_map(zcrx->cq_map_bytes, MAP_SHARED, zcrx->ring_fd, IORING_OFF_CQ_RING, "completion ring");
	zcrx->sq_map = sq;
	zcrx->cq_map = cq;
	zcrx->sqes = zcrx_map(params.sq_entries * sizeof(struct io_uring_sqe), MAP_SHARED, zcrx->ring_fd,
			      IORING_OFF_SQES, "submission entries");
	zcrx->sq_entries = params.sq_entries;
	zcrx->cq_entries = params.cq_entries;
	zcrx->sq_head = (unsigned int *)(sq + params.sq_off.head);
	zcrx->sq_tail = (unsigned int *)(sq + params.sq_off.tail);
	zcrx->sq_array = (unsigned int *)(sq + params.sq_off.array);
	zcrx->cq_head = (unsigned int *)(cq + params.cq_off.head);
	zcrx->cq_tail = (unsigned int *)(cq + params.cq_off.tail);
	zcrx->cq_overflow = (unsigned int *)(cq + params.cq_off.overflow);
	zcrx->cqes = cq + params.cq_off.cqes;
}

/* Whether this kernel knows zero-copy receive at all (IORING_REGISTER_PROBE). */
static inline bool zcrx_is_known(struct zcrx *zcrx)
{
	struct {
		struct io_uring_probe header;
		struct io_uring_probe_op ops[256];
	} probe = { 0 };

	if (syscall(__NR_io_uring_register, zcrx->ring_fd, IORING_REGISTER_PROBE, &probe, 256))
		fail_errno("IORING_REGISTER_PROBE");
	return probe.header.last_op >= IORING_OP_RECV_ZC &&
	       probe.ops[IORING_OP_RECV_ZC].flags & IO_URING_OP_SUPPORTED;
}

/* IORING_REGISTER_ZCRX_IFQ. Returns 0 or the errno, so that a caller may wait for a queue still in use. */
static inline int zcrx_register(struct zcrx *zcrx, const struct zcrx_options *options)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const size_t buf_len = options->rx_buf_len ? options->rx_buf_len : page;
	bool huge = buf_len > page;
	size_t rqes_bytes, stats_offset, region_bytes;
	unsigned char *region;
	struct zcrx_event_desc events = {
		.user_data = ZCRX_EVENT_USER_DATA,
		.type_mask = 1 << ZCRX_EVENT_ALLOC_FAIL | 1 << ZCRX_EVENT_COPY,
		.flags = ZCRX_EVENT_DESC_FLAG_STATS,
	};
	struct io_uring_region_desc region_desc = { .flags = IORING_MEM_REGION_TYPE_USER };
	struct io_uring_zcrx_area_reg area = { 0 };
	struct io_uring_zcrx_ifq_reg ifq = {
		.rx_buf_len = options->rx_buf_len,
		.area_ptr = (uintptr_t)&area,
		.region_ptr = (uintptr_t)&region_desc,
		.event_desc = (uintptr_t)&events,
	};
	int status;

	if (options->without_device) {
		ifq.flags = ZCRX_REG_NODEV;
	} else {
		ifq.if_idx = if_nametoindex(options->ifname);
		if (!ifq.if_idx)
			fail("no interface is called '%s'", options->ifname);
		ifq.if_rxq = options->queue;
	}

	/* One refill entry for every buffer: the refill ring can never be full. */
	for (ifq.rq_entries = 64; ifq.rq_entries < options->area_bytes / buf_len;)
		ifq.rq_entries *= 2;
	if (ifq.rq_entries > RQ_ENTRIES_MAX)
		fail("an area of %zu bytes has more than %d buffers of %zu bytes", options->area_bytes,
		     RQ_ENTRIES_MAX, buf_len);

	/* Region: head and tail in front (at most a page), the entries, then the kernel's copy statistics. */
	rqes_bytes = ifq.rq_entries * sizeof(struct io_uring_zcrx_rqe);
	stats_offset = page + rqes_bytes;
	region_bytes = (stats_offset + sizeof(struct zcrx_stats) + page - 1) & ~(page - 1);
	region = zcrx_map(region_bytes, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0, "refill ring");
	memset(region, options->region_content, region_bytes);
	region_desc.user_addr = (uintptr_t)region;
	region_desc.size = region_bytes;
	events.stats_offset = stats_offset;

	zcrx->area_bytes = options->area_bytes;
	if (huge)
		zcrx->area_bytes = (zcrx->area_bytes + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
	zcrx->area = zcrx_map(zcrx->area_bytes,
			      MAP_ANONYMOUS | MAP_PRIVATE | (huge ? MAP_HUGETLB | 21 << MAP_HUGE_SHIFT : 0), -1, 0,
			      huge ? "area (2 MiB huge pages; see nr_hugepages)" : "area");
	area.addr = (uintptr_t)zcrx->area;
	area.len = zcrx->area_bytes;

	status = syscall(__NR_io_uring_register, zcrx->ring_fd, IORING_REGISTER_ZCRX_IFQ, &ifq, 1);
	if (status && errno == EINVAL) {
		/* Kernels without ZCRX_FEATURE_EVENT call these fields reserved. */
		ifq.event_desc = 0;
		status = syscall(__NR_io_uring_register, zcrx->ring_fd, IORING_REGISTER_ZCRX_IFQ, &ifq, 1);
	}
	if (status) {
		status = errno;
		munmap(zcrx->area, zcrx->area_bytes);
		munmap(region, region_bytes);
		return status;
	}
	zcrx->region = region;
	zcrx->region_bytes = region_bytes;
	zcrx->zcrx_id = ifq.zcrx_id;
	zcrx->rx_buf_len = buf_len;
	zcrx->area_token = area.rq_area_token;
	zcrx->rq_entries = ifq.rq_entries;
	zcrx->rq_head = (unsigned int *)(region + ifq.offsets.head);
	zcrx->rq_tail = (unsigned int *)(region + ifq.offsets.tail);
	zcrx->rqes = (struct io_uring_zcrx_rqe *)(region + ifq.offsets.rqes);
	zcrx->stats = ifq.event_desc ? (const struct zcrx_stats *)(region + stats_offset) : NULL;
	return 0;
}

/* Multishot: completions come until the flow ends or the kernel says otherwise (no IORING_CQE_F_MORE). */
static inline void zcrx_receive(struct zcrx *zcrx, int fd, uint64_t user_data)
{
	unsigned int tail = *zcrx->sq_tail;
	unsigned int slot = tail % zcrx->sq_entries;

	if (tail - __atomic_load_n(zcrx->sq_head, __ATOMIC_ACQUIRE) == zcrx->sq_entries)
		fail("submission ring full");
	memset(&zcrx->sqes[slot], 0, sizeof(zcrx->sqes[slot]));
	zcrx->sqes[slot].opcode = IORING_OP_RECV_ZC;
	zcrx->sqes[slot].fd = fd;
	zcrx->sqes[slot].ioprio = IORING_RECV_MULTISHOT;
	zcrx->sqes[slot].user_data = user_data;
	zcrx->sqes[slot].zcrx_ifq_idx = zcrx->zcrx_id;
	zcrx->sq_array[slot] = slot;
	__atomic_store_n(zcrx->sq_tail, tail + 1, __ATOMIC_RELEASE);
	zcrx->to_submit++;
}

/* Submits, then waits up to `milliseconds` for a completion. */
static inline void zcrx_wait(struct zcrx *zcrx, unsigned int milliseconds)
{
	struct __kernel_timespec timeout = {
		.tv_sec = milliseconds / 1000,
		.tv_nsec = (long long)(milliseconds % 1000) * 1000000,
	};
	struct io_uring_getevents_arg argument = { .ts = (uintptr_t)&timeout };
	int count = syscall(__NR_io_uring_enter, zcrx->ring_fd, zcrx->to_submit, 1,
			    IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof(argument));

	if (count < 0 && errno != ETIME && errno != EINTR)
		fail_errno("io_uring_enter");
	zcrx->to_submit = *zcrx->sq_tail - __atomic_load_n(zcrx->sq_head, __ATOMIC_ACQUIRE);
}

/* The next completion (its zcrx half lies right behind it), or NULL. */
static inline const struct io_uring_cqe *zcrx_completion(const struct zcrx *zcrx)
{
	unsigned int head = *zcrx->cq_head;

	if (head == __atomic_load_n(zcrx->cq_tail, __ATOMIC_ACQUIRE))
		return NULL;
	return (const void *)(zcrx->cqes + (head % zcrx->cq_entries) * 2 * sizeof(struct io_uring_cqe));
}

static inline void zcrx_completion_done(struct zcrx *zcrx)
{
	__atomic_store_n(zcrx->cq_head, *zcrx->cq_head + 1, __ATOMIC_RELEASE);
}

/* The bytes a completion names. Fails if they do not lie within one buffer of the area. */
static inline const unsigned char *zcrx_payload(struct zcrx *zcrx, const struct io_uring_cqe *cqe)
{
	const struct io_uring_zcrx_cqe *half = (const void *)(cqe + 1);
	uint64_t offset = half->off & ~IORING_ZCRX_AREA_MASK;

	if (offset >= zcrx->area_bytes || offset % zcrx->rx_buf_len + cqe->res > zcrx->rx_buf_len)
		fail("completion of %d bytes at offset %llu leaves its %u-byte buffer", cqe->res,
		     (unsigned long long)offset, zcrx->rx_buf_len);
	zcrx->given++;
	return zcrx->area + offset;
}

static inline void zcrx_return(struct zcrx *zcrx, const struct io_uring_cqe *cqe)
{
	const struct io_uring_zcrx_cqe *half = (const void *)(cqe + 1);
	unsigned int tail = *zcrx->rq_tail;
	struct io_uring_zcrx_rqe *rqe = &zcrx->rqes[tail % zcrx->rq_entries];

	if (tail - __atomic_load_n(zcrx->rq_head, __ATOMIC_ACQUIRE) == zcrx->rq_entries)
		fail("refill ring full: the kernel holds more references than there are buffers");
	rqe->off = (half->off & ~IORING_ZCRX_AREA_MASK) | zcrx->area_token;
	rqe->len = cqe->res;
	rqe->__pad = 0;
	__atomic_store_n(zcrx->rq_tail, tail + 1, __ATOMIC_RELEASE);
	zcrx->returned++;
}

/*
 * Makes the kernel take back what lies in the refill ring (ZCRX_CTRL_FLUSH_RQ). Returns how many entries it left
 * there, or -1 if this kernel does not know the call: it takes entries as the driver needs them, the rest at close.
 */
static inline long zcrx_flush(struct zcrx *zcrx)
{
	struct zcrx_ctrl control = { .zcrx_id = zcrx->zcrx_id, .op = ZCRX_CTRL_FLUSH_RQ };

	if (syscall(__NR_io_uring_register, zcrx->ring_fd, IORING_REGISTER_ZCRX_CTRL, &control, 0)) {
		if (errno == EINVAL || errno == EOPNOTSUPP)
			return -1;
		fail_errno("ZCRX_CTRL_FLUSH_RQ");
	}
	return *zcrx->rq_tail - __atomic_load_n(zcrx->rq_head, __ATOMIC_ACQUIRE);
}

/* Lets the queue go: the kernel restarts it with its own memory once the ring is closed and unmapped. */
static inline void zcrx_destroy(struct zcrx *zcrx)
{
	munmap(zcrx->sqes, zcrx->sq_entries * sizeof(struct io_uring_sqe));
	munmap(zcrx->sq_map, zcrx->sq_map_bytes);
	munmap(zcrx->cq_map, zcrx->cq_map_bytes);
	close(zcrx->ring_fd);
	munmap(zcrx->region, zcrx->region_bytes);
	munmap(zcrx->area, zcrx->area_bytes);
}

#endif
