/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device memory TCP without its device: dmabufs made of ordinary memory (udmabuf), bound to rx queues or to transmit
 * by the "netdev" netlink family. A binding lives as long as the netlink socket that made it.
 */
#ifndef TESTBED_DEVMEM_H
#define TESTBED_DEVMEM_H

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "netlink.h"

#define DEVMEM_PAGE 4096
#define DEVMEM_QUEUES_MAX 16

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
	unsigned int family;
};

static inline bool devmem_has_udmabuf(void)
{
	return !access("/dev/udmabuf", R_OK | W_OK);
}

static inline int devmem_list_of_pages(int device, const struct devmem_buffer *buffer)
{
	const size_t pages = buffer->bytes / DEVMEM_PAGE;
	struct udmabuf_create_list *list = calloc(1, sizeof(*list) + pages * sizeof(*list->list));
	int fd;

	if (!list || fallocate(buffer->memfd, 0, 0, buffer->bytes))
		return -1;
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = pages;
	for (size_t i = 0; i < pages; i++)
		list->list[i] = (struct udmabuf_create_item){
			.memfd = buffer->memfd,
			.offset = (i / 2 + i % 2 * (pages / 2)) * DEVMEM_PAGE,
			.size = DEVMEM_PAGE,
		};
	fd = ioctl(device, UDMABUF_CREATE_LIST, list);
	free(list);
	return fd;
}

/*
 * `scattered`: pages of the two halves in turn, so that hardly two of them follow each other for the device. They are
 * allocated before: the ioctl would do so in the order of its list.
 */
static inline int devmem_create(struct devmem_buffer *buffer, size_t bytes, bool scattered)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = bytes };
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	if (device < 0)
		return errno;
	buffer->bytes = bytes;
	buffer->memfd = memfd_create("devmem", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (buffer->memfd < 0 || ftruncate(buffer->memfd, bytes) ||
	    fcntl(buffer->memfd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		fail_errno("memory of %zu bytes", bytes);
	create.memfd = buffer->memfd;
	buffer->fd = scattered ? devmem_list_of_pages(device, buffer) : ioctl(device, UDMABUF_CREATE, &create);
	if (buffer->fd < 0) {
		int error = errno;

		close(device);
		close(buffer->memfd);
		return error;
	}
	close(device);
	buffer->map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd, 0);
	buffer->reported = calloc(bytes, 1);
	if (buffer->map == MAP_FAILED || !buffer->reported)
		fail_errno("map of a dmabuf of %zu bytes", bytes);
	return 0;
}

/* Around what the CPU does with the memory: DMA_BUF_SYNC_START and _END, _READ or _WRITE. */
static inline void devmem_sync(const struct devmem_buffer *buffer, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	if (ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync))
		fail_errno("DMA_BUF_IOCTL_SYNC");
}

static inline void devmem_take_id(const struct attributes *attributes, void *id)
{
	*(uint32_t *)id = netlink_number(attributes, NETDEV_A_DMABUF_ID);
}

/* Binds; no queues: for transmit. Returns 0 or the errno; the kernel's words are in binding->netlink.extack. */
static inline int devmem_bind(struct devmem_binding *binding, const char *ifname, int dmabuf_fd,
			      const uint32_t *queues, unsigned int count, uint32_t *id)
{
	char buffer[1024] __attribute__((aligned(8)));
	const uint32_t ifindex = if_nametoindex(ifname), fd = dmabuf_fd, type = NETDEV_QUEUE_TYPE_RX;
	struct nlmsghdr *message = netlink_request(&binding->netlink, buffer, binding->family,
						   count ? NETDEV_CMD_BIND_RX : NETDEV_CMD_BIND_TX, 0);

	netlink_append(message, NETDEV_A_DMABUF_IFINDEX, &ifindex, sizeof(ifindex));
	netlink_append(message, NETDEV_A_DMABUF_FD, &fd, sizeof(fd));
	for (unsigned int i = 0; i < count; i++) {
		struct nlattr *nest = netlink_append(message, NLA_F_NESTED | NETDEV_A_DMABUF_QUEUES, NULL, 0);

		netlink_append(message, NETDEV_A_QUEUE_ID, queues + i, sizeof(*queues));
		netlink_append(message, NETDEV_A_QUEUE_TYPE, &type, sizeof(type));
		nest->nla_len = (char *)message + message->nlmsg_len - (char *)nest;
	}
	return netlink_exchange(&binding->netlink, message, devmem_take_id, id);
}

#endif
