// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/zcrx.h"

#include <net/if.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/contiguous.h"
#include "lib/fail.h"

#define CQ_ENTRIES 8192
#define RQ_ENTRIES_MAX 32768 /* the kernel's own limit for a refill ring */

static void *map_memory(size_t bytes, const char *what)
{
	void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);

	if (address == MAP_FAILED)
		fail_errno("mmap of %zu bytes for the %s", bytes, what);
	return address;
}

void zcrx_create_ring(struct zcrx *zcrx)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE32 |
			 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
		.cq_entries = CQ_ENTRIES,
	};
	int status = io_uring_queue_init_params(SQ_ENTRIES, &zcrx->ring, &params);

	if (status)
		fail_with(-status, "io_uring_setup");
}

int zcrx_register(struct zcrx *zcrx, const struct zcrx_options *options)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const size_t buf_len = options->rx_buf_len ? options->rx_buf_len : page;
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
	region = map_memory(region_bytes, "refill ring");
	memset(region, options->region_content, region_bytes);
	region_desc.user_addr = (uintptr_t)region;
	region_desc.size = region_bytes;
	events.stats_offset = stats_offset;

	zcrx->area_bytes = options->area_bytes;
	if (buf_len > page)
		zcrx->area = contiguous_memory(&zcrx->area_bytes, buf_len);
	else
		zcrx->area = map_memory(zcrx->area_bytes, "area");
	area.addr = (uintptr_t)zcrx->area;
	area.len = zcrx->area_bytes;

	status = io_uring_register_ifq(&zcrx->ring, &ifq);
	if (status == -EINVAL) {
		/* Kernels without ZCRX_FEATURE_EVENT call these fields reserved. */
		ifq.event_desc = 0;
		status = io_uring_register_ifq(&zcrx->ring, &ifq);
	}
	if (status) {
		munmap(zcrx->area, zcrx->area_bytes);
		munmap(region, region_bytes);
		return -status;
	}
	zcrx->region = region;
	zcrx->region_bytes = region_bytes;
	zcrx->zcrx_id = ifq.zcrx_id;
	zcrx->rx_buf_len = buf_len;
	zcrx->area_token = area.rq_area_token;
	zcrx->refill = (struct io_uring_zcrx_rq){
		.khead = (uint32_t *)(region + ifq.offsets.head),
		.ktail = (uint32_t *)(region + ifq.offsets.tail),
		.rqes = (struct io_uring_zcrx_rqe *)(region + ifq.offsets.rqes),
		.ring_entries = ifq.rq_entries,
	};
	zcrx->refill.rq_tail = *zcrx->refill.ktail;
	zcrx->stats = ifq.event_desc ? (const struct zcrx_stats *)(region + stats_offset) : NULL;
	return 0;
}

struct io_uring_sqe *zcrx_next_sqe(struct zcrx *zcrx)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&zcrx->ring);

	if (!sqe)
		fail("submission ring full");
	return sqe;
}

void zcrx_receive(struct zcrx *zcrx, int fd, uint64_t user_data, uint32_t bytes)
{
	struct io_uring_sqe *sqe = zcrx_next_sqe(zcrx);

	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, fd, NULL, bytes, 0);
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->zcrx_ifq_idx = zcrx->zcrx_id;
	io_uring_sqe_set_data64(sqe, user_data);
}

void zcrx_wait(struct zcrx *zcrx, unsigned int milliseconds)
{
	struct __kernel_timespec timeout = {
		.tv_sec = milliseconds / 1000,
		.tv_nsec = (long long)(milliseconds % 1000) * 1000000,
	};
	struct io_uring_cqe *cqe;
	int status = io_uring_submit_and_wait_timeout(&zcrx->ring, &cqe, 1, &timeout, NULL);

	if (status < 0 && status != -ETIME && status != -EINTR)
		fail_with(-status, "io_uring_enter");
}

const struct io_uring_cqe *zcrx_completion(struct zcrx *zcrx)
{
	struct io_uring_cqe *cqe;

	return io_uring_peek_cqe(&zcrx->ring, &cqe) ? NULL : cqe;
}

void zcrx_completion_done(struct zcrx *zcrx)
{
	io_uring_cq_advance(&zcrx->ring, 1);
}

const unsigned char *zcrx_payload(struct zcrx *zcrx, const struct io_uring_cqe *cqe)
{
	const struct io_uring_zcrx_cqe *half = (const void *)(cqe + 1);
	uint64_t offset = half->off & ~IORING_ZCRX_AREA_MASK;

	if (offset >= zcrx->area_bytes || offset % zcrx->rx_buf_len + cqe->res > zcrx->rx_buf_len)
		fail("completion of %d bytes at offset %llu leaves its %u-byte buffer", cqe->res,
		     (unsigned long long)offset, zcrx->rx_buf_len);
	zcrx->given++;
	return zcrx->area + offset;
}

void zcrx_return(struct zcrx *zcrx, const struct io_uring_cqe *cqe)
{
	const struct io_uring_zcrx_cqe *half = (const void *)(cqe + 1);
	struct io_uring_zcrx_rq *refill = &zcrx->refill;

	if (refill->rq_tail - io_uring_smp_load_acquire(refill->khead) == refill->ring_entries)
		fail("refill ring full: the kernel holds more references than there are buffers");
	refill->rqes[refill->rq_tail++ % refill->ring_entries] = (struct io_uring_zcrx_rqe){
		.off = (half->off & ~IORING_ZCRX_AREA_MASK) | zcrx->area_token,
		.len = cqe->res,
	};
	io_uring_smp_store_release(refill->ktail, refill->rq_tail);
	zcrx->returned++;
}

long zcrx_flush(struct zcrx *zcrx)
{
	struct zcrx_ctrl control = { .zcrx_id = zcrx->zcrx_id, .op = ZCRX_CTRL_FLUSH_RQ };
	int status = io_uring_register_zcrx_ctrl(&zcrx->ring, &control);

	if (status == -EINVAL || status == -EOPNOTSUPP)
		return -1;
	if (status)
		fail_with(-status, "ZCRX_CTRL_FLUSH_RQ");
	return zcrx->refill.rq_tail - io_uring_smp_load_acquire(zcrx->refill.khead);
}

void zcrx_destroy(struct zcrx *zcrx)
{
	io_uring_queue_exit(&zcrx->ring);
	munmap(zcrx->region, zcrx->region_bytes);
	munmap(zcrx->area, zcrx->area_bytes);
}
