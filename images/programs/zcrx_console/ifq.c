// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "zcrx_console/ifq.h"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/contiguous.h"
#include "lib/fail.h"

#define REFILL_THREADS 2

struct refiller {
	struct ifq *ifq;
	unsigned int first, step;
	bool locked;
	unsigned long returned;
};

static void *ifq_memory(size_t bytes, int flags, int fd)
{
	void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd, 0);

	if (address == MAP_FAILED)
		fail_errno("mmap of %zu bytes", bytes);
	return address;
}

/* A dma-buf of ordinary memory; `area` gets a view of it. */
static int ifq_dmabuf(struct ifq *ifq, size_t bytes)
{
	struct udmabuf_create create = { .size = bytes };
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int memory = memfd_create("area", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	int fd;

	if (device < 0 || memory < 0 || ftruncate(memory, bytes) || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK))
		fail_errno("udmabuf");
	create.memfd = memory;
	fd = ioctl(device, UDMABUF_CREATE, &create);
	if (fd < 0)
		fail_errno("UDMABUF_CREATE");
	ifq->area = ifq_memory(bytes, MAP_SHARED, memory);
	close(device);
	close(memory);
	return fd;
}

/* `pages` pages in a row, no two of which lie side by side in physical memory. */
static unsigned char *scattered_memory(size_t pages, size_t page)
{
	unsigned char *all = ifq_memory(2 * pages * page, MAP_ANONYMOUS | MAP_PRIVATE, -1);
	unsigned char *place = ifq_memory(pages * page, MAP_ANONYMOUS | MAP_PRIVATE, -1);

	for (size_t i = 0; i < pages; i++) {
		if (mremap(all + 2 * i * page, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, place + i * page) ==
		    MAP_FAILED)
			fail_errno("mremap");
	}
	return place; /* the pages between stay ours until the end */
}

/* The area as the words ask for it, in this process and in the registration. */
static void ifq_area(struct ifq *ifq, struct io_uring_zcrx_area_reg *reg, struct words *words)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	size_t bytes = number_word(words, "area", 1 << 20);
	size_t piece = number_word(words, "contiguous", 0); /* so many bytes lie side by side in physical memory */
	size_t hole = number_word(words, "hole", 0); /* the last so many bytes are not mapped */

	ifq->area_bytes = bytes;
	if (number_word(words, "dmabuf", 0)) {
		reg->flags = IORING_ZCRX_AREA_DMABUF;
		reg->dmabuf_fd = ifq_dmabuf(ifq, bytes);
	} else {
		/* One page more, so that a shifted area is still all mapped. */
		ifq->area_bytes = bytes + page;
		if (piece)
			ifq->area = contiguous_memory(&ifq->area_bytes, piece);
		else if (number_word(words, "scattered", 0))
			ifq->area = scattered_memory(ifq->area_bytes / page, page);
		else
			ifq->area = ifq_memory(ifq->area_bytes, MAP_ANONYMOUS | MAP_PRIVATE, -1);
		if (hole)
			munmap(ifq->area + bytes - hole, hole);
		if (number_word(words, "read_only", 0))
			mprotect(ifq->area, ifq->area_bytes, PROT_READ);
		reg->addr = (uintptr_t)ifq->area;
	}
	reg->addr = number_word(words, "area_address", reg->addr + number_word(words, "area_shift", 0));
	reg->len = number_word(words, "area_bytes", bytes);
	reg->flags |= number_word(words, "area_flags", 0);
	reg->dmabuf_fd = number_word(words, "dmabuf_fd", reg->dmabuf_fd);
	reg->rq_area_token = number_word(words, "area_token", 0);
	reg->__resv2[0] = number_word(words, "area_reserved", 0);
}

/* Lets the n-th allocation of this thread's next system call fail. Returns whether it did, when called with -1. */
static bool fail_nth(long nth)
{
	char text[32] = "";
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	bool failed;

	if (fd < 0)
		fail_errno("fail-nth");
	if (nth >= 0) {
		int length = snprintf(text, sizeof(text), "%ld", nth);

		if (write(fd, text, length) != length)
			fail_errno("fail-nth");
		close(fd);
		return true;
	}
	if (read(fd, text, sizeof(text) - 1) < 0)
		fail_errno("fail-nth");
	failed = !strtol(text, NULL, 10);
	if (write(fd, "0", 1) != 1)
		fail_errno("fail-nth");
	close(fd);
	return failed;
}

int ifq_register(struct ifq *ifq, const struct ring *ring, unsigned int place, struct words *words, bool *failed)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	uint32_t entries = number_word(words, "rq_entries", 256);
	uint32_t mask = number_word(words, "events", 1 << ZCRX_EVENT_ALLOC_FAIL | 1 << ZCRX_EVENT_COPY);
	size_t rqes_bytes = (size_t)(entries < 1 << 20 ? entries : 1 << 20) * 2 * sizeof(struct io_uring_zcrx_rqe);
	const char *ifname = word(words, "ifname");
	unsigned long nth = number_word(words, "fail_nth", 0);
	bool kernel_region = number_word(words, "kernel_region", 0); /* the kernel's own memory, mapped afterwards */
	struct io_uring_region_desc region = { .flags = IORING_MEM_REGION_TYPE_USER };
	struct io_uring_zcrx_area_reg area = { 0 };
	struct zcrx_event_desc events = { .user_data = UINT64_C(1) << 63 | place, .type_mask = mask };
	struct io_uring_zcrx_ifq_reg reg = {
		.if_rxq = number_word(words, "queue", 0),
		.rq_entries = entries,
		.flags = number_word(words, "flags", 0),
		.zcrx_id = number_word(words, "zcrx_id", 0),
		.rx_buf_len = number_word(words, "rx_buf_len", 0),
		.__resv = { number_word(words, "reserved", 0) },
		.region_ptr = number_word(words, "region_pointer", (uintptr_t)&region),
		.area_ptr = number_word(words, "area_pointer", (uintptr_t)&area),
		.event_desc = number_word(words, "events_pointer", (uintptr_t)&events),
	};
	int status;

	if (ifname) {
		reg.if_idx = if_nametoindex(ifname);
		if (!reg.if_idx)
			fail("no interface is called '%s'", ifname);
	}
	reg.if_idx = number_word(words, "if_index", reg.if_idx);
	memset(ifq, 0, sizeof(*ifq));
	pthread_mutex_init(&ifq->lock, NULL);

	/* Head and tail in front (at most a page), room for the entries rounded up, the statistics. */
	ifq->region_bytes = (page + rqes_bytes + sizeof(struct zcrx_stats) + page - 1) & ~(page - 1);
	ifq->region = ifq_memory(ifq->region_bytes, MAP_ANONYMOUS | MAP_PRIVATE, -1);
	memset(ifq->region, number_word(words, "region_content", 0), ifq->region_bytes);
	region.user_addr = (uintptr_t)ifq->region;
	if (kernel_region)
		region.flags = region.user_addr = 0;
	region.size = number_word(words, "region_bytes", ifq->region_bytes);
	events.stats_offset = number_word(words, "stats_offset", page + rqes_bytes);
	events.flags = number_word(words, "event_flags", ZCRX_EVENT_DESC_FLAG_STATS);
	events.__resv2[0] = number_word(words, "event_reserved", 0);
	ifq_area(ifq, &area, words);
	all_used(words);

	if (nth)
		fail_nth(nth);
	status = ring_register(ring, IORING_REGISTER_ZCRX_IFQ, &reg, 1);
	if (nth)
		*failed = fail_nth(-1);
	if (area.dmabuf_fd && area.flags & IORING_ZCRX_AREA_DMABUF)
		close(area.dmabuf_fd);
	if (status) {
		munmap(ifq->area, ifq->area_bytes);
		munmap(ifq->region, ifq->region_bytes);
		return status;
	}
	if (kernel_region) {
		munmap(ifq->region, ifq->region_bytes);
		ifq->region = mmap(NULL, ifq->region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
				   ring->fd, region.mmap_offset);
		if (ifq->region == MAP_FAILED)
			fail_errno("mmap of the refill ring");
	}
	ifq->open = true;
	ifq->id = reg.zcrx_id;
	ifq->rx_buf_len = reg.rx_buf_len ? reg.rx_buf_len : page; /* kernels that offer no choice do not say */
	ifq->rq_entries = reg.rq_entries;
	ifq->token = area.rq_area_token;
	ifq->rq_head = (unsigned int *)(ifq->region + reg.offsets.head);
	ifq->rq_tail = (unsigned int *)(ifq->region + reg.offsets.tail);
	ifq->rqes = (struct io_uring_zcrx_rqe *)(ifq->region + reg.offsets.rqes);
	ifq->tail = *ifq->rq_tail;
	if (events.flags && reg.event_desc)
		ifq->stats = (const struct zcrx_stats *)(ifq->region + events.stats_offset);
	return 0;
}

int ifq_control(const struct ring *ring, struct zcrx_ctrl *control, unsigned int count)
{
	return ring_register(ring, IORING_REGISTER_ZCRX_CTRL, control, count);
}

uint32_t checksum(const unsigned char *data, size_t bytes)
{
	uint32_t sum = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < bytes; i++)
		sum = (sum ^ data[i]) * 16777619U;
	return sum;
}

const unsigned char *ifq_payload(const struct ifq *ifq, uint64_t offset, size_t bytes)
{
	uint64_t start = offset & ~IORING_ZCRX_AREA_MASK;

	if (start + bytes > ifq->area_bytes || start % ifq->rx_buf_len + bytes > ifq->rx_buf_len)
		fail("completion of %zu bytes at offset %llu leaves its %u-byte buffer", bytes,
		     (unsigned long long)start, ifq->rx_buf_len);
	return ifq->area + start;
}

void ifq_hold(struct ifq *ifq, uint64_t offset, uint32_t bytes)
{
	if (ifq->held_count == ifq->held_room) {
		ifq->held_room = ifq->held_room ? ifq->held_room * 2 : 256;
		ifq->held = realloc(ifq->held, ifq->held_room * sizeof(*ifq->held));
		if (!ifq->held)
			fail_errno("memory for %zu held buffers", ifq->held_room);
	}
	ifq->held[ifq->held_count++] = (struct held){
		.offset = offset,
		.bytes = bytes,
		.check = checksum(ifq_payload(ifq, offset, bytes), bytes),
	};
}

bool ifq_write(struct ifq *ifq, struct io_uring_zcrx_rqe rqe)
{
	if (ifq->tail - __atomic_load_n(ifq->rq_head, __ATOMIC_ACQUIRE) >= ifq->rq_entries)
		return false;
	ifq->rqes[ifq->tail++ % ifq->rq_entries] = rqe;
	return true;
}

void ifq_publish(struct ifq *ifq)
{
	__atomic_store_n(ifq->rq_tail, ifq->tail, __ATOMIC_RELEASE);
}

unsigned int ifq_return(struct ifq *ifq, struct io_uring_zcrx_rqe rqe, unsigned int times)
{
	unsigned int written = 0;

	pthread_mutex_lock(&ifq->lock);
	while (written < times && ifq_write(ifq, rqe))
		written++;
	ifq_publish(ifq);
	pthread_mutex_unlock(&ifq->lock);
	return written;
}

struct io_uring_zcrx_rqe ifq_entry(const struct ifq *ifq, uint64_t offset, uint32_t bytes)
{
	return (struct io_uring_zcrx_rqe){ .off = (offset & ~IORING_ZCRX_AREA_MASK) | ifq->token, .len = bytes };
}

/* Returns each `step`-th held buffer, one publication each: what a second thread of an application does. */
static void *refill_thread(void *argument)
{
	struct refiller *refiller = argument;
	struct ifq *ifq = refiller->ifq;

	for (size_t i = refiller->first; i < ifq->held_count; i += refiller->step) {
		if (refiller->locked)
			pthread_mutex_lock(&ifq->lock);
		refiller->returned += ifq_write(ifq, ifq_entry(ifq, ifq->held[i].offset, ifq->held[i].bytes));
		ifq_publish(ifq);
		if (refiller->locked)
			pthread_mutex_unlock(&ifq->lock);
	}
	return NULL;
}

unsigned long ifq_return_by_threads(struct ifq *ifq, bool locked, bool same)
{
	struct refiller refillers[REFILL_THREADS];
	pthread_t threads[REFILL_THREADS];
	unsigned long returned = 0;

	for (unsigned int i = 0; i < REFILL_THREADS; i++) {
		refillers[i] = (struct refiller){ ifq, same ? 0 : i, same ? 1 : REFILL_THREADS, locked, 0 };
		if (pthread_create(&threads[i], NULL, refill_thread, &refillers[i]))
			fail("no thread");
	}
	for (unsigned int i = 0; i < REFILL_THREADS; i++) {
		pthread_join(threads[i], NULL);
		returned += refillers[i].returned;
	}
	return returned;
}
