// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/contiguous.h"

#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fail.h"

#define HUGE_PAGE_BYTES (2UL << 20)
#define HUGE_PAGES "/proc/sys/vm/nr_hugepages"

static size_t rounded_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* alloc_one_pg_vec_page() in net/packet/af_packet.c: each block of a ring is one allocation of its order, while there
 * is memory of that order. No packet comes, as the socket has no protocol. */
static void *packet_ring(size_t bytes, size_t piece)
{
	struct tpacket_req ring = {
		.tp_block_size = piece, .tp_block_nr = bytes / piece, .tp_frame_size = piece,
		.tp_frame_nr = bytes / piece,
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	void *memory;

	if (fd < 0)
		fail_errno("packet socket");
	if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)))
		fail_errno("PACKET_RX_RING of %u blocks of %zu bytes", ring.tp_block_nr, piece);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		fail_errno("mmap of the packet socket's ring");
	close(fd); /* the mapping has it */
	return memory;
}

void *contiguous_memory(size_t *bytes, size_t piece)
{
	void *memory;

	if (access(HUGE_PAGES, F_OK)) {
		*bytes = rounded_up(*bytes, piece);
		return packet_ring(*bytes, piece);
	}
	*bytes = rounded_up(*bytes, HUGE_PAGE_BYTES);
	memory = mmap(NULL, *bytes, PROT_READ | PROT_WRITE,
		      MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	if (memory == MAP_FAILED)
		fail_errno("mmap of %zu bytes of huge pages of 2 MiB (see %s)", *bytes, HUGE_PAGES);
	return memory;
}
