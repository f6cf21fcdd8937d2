// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/devmem.h"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/fail.h"

#define PAGE_BYTES 4096

bool devmem_has_udmabuf(void)
{
	return !access("/dev/udmabuf", R_OK | W_OK);
}

static int create_list(int device, const struct devmem_buffer *buffer)
{
	const size_t pages = buffer->bytes / PAGE_BYTES;
	struct udmabuf_create_list *list = calloc(1, sizeof(*list) + pages * sizeof(*list->list));
	int fd;

	if (!list || fallocate(buffer->memfd, 0, 0, buffer->bytes))
		return -1;
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = pages;
	for (size_t i = 0; i < pages; i++)
		list->list[i] = (struct udmabuf_create_item){
			.memfd = buffer->memfd,
			.offset = (i / 2 + i % 2 * (pages / 2)) * PAGE_BYTES,
			.size = PAGE_BYTES,
		};
	fd = ioctl(device, UDMABUF_CREATE_LIST, list);
	free(list);
	return fd;
}

int devmem_create(struct devmem_buffer *buffer, size_t bytes, bool scattered)
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
	buffer->fd = scattered ? create_list(device, buffer) : ioctl(device, UDMABUF_CREATE, &create);
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

void devmem_sync(const struct devmem_buffer *buffer, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	if (ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync))
		fail_errno("DMA_BUF_IOCTL_SYNC");
}

static void take_id(const struct attributes *attributes, void *id)
{
	*(uint32_t *)id = netlink_number(attributes, NETDEV_A_DMABUF_ID);
}

int devmem_bind(struct devmem_binding *binding, const char *ifname, int dmabuf_fd, const uint32_t *queues,
		unsigned int count, uint32_t *id)
{
	char buffer[1024] __attribute__((aligned(8)));
	struct nlmsghdr *message = netlink_request(&binding->netlink, buffer,
						   count ? NETDEV_CMD_BIND_RX : NETDEV_CMD_BIND_TX, 0);

	mnl_attr_put_u32(message, NETDEV_A_DMABUF_IFINDEX, if_nametoindex(ifname));
	mnl_attr_put_u32(message, NETDEV_A_DMABUF_FD, dmabuf_fd);
	for (unsigned int i = 0; i < count; i++) {
		struct nlattr *nest = mnl_attr_nest_start(message, NETDEV_A_DMABUF_QUEUES);

		mnl_attr_put_u32(message, NETDEV_A_QUEUE_ID, queues[i]);
		mnl_attr_put_u32(message, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
		mnl_attr_nest_end(message, nest);
	}
	return netlink_exchange(&binding->netlink, message, take_id, id);
}
