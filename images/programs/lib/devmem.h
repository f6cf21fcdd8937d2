/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device memory TCP without its device: dmabufs made of ordinary memory (udmabuf), bound to rx queues or to transmit
 * by the "netdev" netlink family. A binding lives as long as the netlink socket that made it.
 */
#ifndef TESTBED_DEVMEM_H
#define TESTBED_DEVMEM_H

#include <linux/dma-buf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/netlink.h"

struct devmem_buffer {
	const char *name;
	int memfd, fd;
	size_t bytes;
	unsigned char *map; /* the dmabuf as the device sees it: offset 0 is its first byte */
	unsigned char *reported; /* per byte: 1 where a fragment said to be */
};

struct devmem_binding {
	const char *name;
	struct netlink netlink;
};

bool devmem_has_udmabuf(void);

/*
 * Makes a dmabuf. Returns 0 or the errno.
 *
 * `scattered`: pages of the two halves in turn, so that hardly two of them follow each other for the device. They are
 * allocated before: the ioctl would do so in the order of its list.
 */
int devmem_create(struct devmem_buffer *buffer, size_t bytes, bool scattered);

/* Around what the CPU does with the memory: DMA_BUF_SYNC_START and _END, _READ or _WRITE. */
void devmem_sync(const struct devmem_buffer *buffer, uint64_t flags);

/*
 * Binds by the netlink socket of `binding`, which netlink_open() has opened; without queues for transmit. Returns 0 or
 * the errno; the kernel's text is in binding->netlink.extack.
 */
int devmem_bind(struct devmem_binding *binding, const char *ifname, int dmabuf_fd, const uint32_t *queues,
		unsigned int count, uint32_t *id);

#endif
