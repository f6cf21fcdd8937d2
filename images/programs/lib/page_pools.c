// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/page_pools.h"

struct listing {
	uint64_t ifindex;
	FILE *out;
	bool any, detached;
};

unsigned long long provider_buf_len(const struct attributes *attributes, unsigned int type)
{
	const struct attributes info = netlink_nested(attributes->of[type]);

	return netlink_number(&info, NETDEV_A_IO_URING_PROVIDER_INFO_RX_BUF_LEN);
}

static void write_pool(const struct attributes *attributes, void *context)
{
	struct listing *listing = context;
	const bool detached = attributes->of[NETDEV_A_PAGE_POOL_DETACH_TIME];

	if (listing->ifindex != ANY_INTERFACE &&
	    netlink_number(attributes, NETDEV_A_PAGE_POOL_IFINDEX) != listing->ifindex)
		return;
	listing->detached |= detached;
	if (!listing->out)
		return;
	fprintf(listing->out,
		"%s{\"id\":%llu,\"napi_id\":%llu,\"inflight\":%llu,\"inflight_bytes\":%llu,\"io_uring\":%s,"
		"\"rx_buf_len\":%llu,\"dmabuf\":%llu,\"detached\":%s}",
		listing->any ? "," : "", (unsigned long long)netlink_number(attributes, NETDEV_A_PAGE_POOL_ID),
		(unsigned long long)netlink_number(attributes, NETDEV_A_PAGE_POOL_NAPI_ID),
		(unsigned long long)netlink_number(attributes, NETDEV_A_PAGE_POOL_INFLIGHT),
		(unsigned long long)netlink_number(attributes, NETDEV_A_PAGE_POOL_INFLIGHT_MEM),
		attributes->of[NETDEV_A_PAGE_POOL_IO_URING] ? "true" : "false",
		provider_buf_len(attributes, NETDEV_A_PAGE_POOL_IO_URING),
		(unsigned long long)netlink_number(attributes, NETDEV_A_PAGE_POOL_DMABUF),
		detached ? "true" : "false");
	listing->any = true;
}

int list_page_pools(struct netlink *netlink, uint64_t ifindex, FILE *out, bool *detached)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *message = netlink_request(netlink, buffer, NETDEV_CMD_PAGE_POOL_GET, NLM_F_DUMP);
	struct listing listing = { .ifindex = ifindex, .out = out };
	int error;

	if (out)
		fputc('[', out);
	error = netlink_exchange(netlink, message, write_pool, &listing);
	if (out && !error)
		fputc(']', out);
	if (detached)
		*detached = listing.detached;
	return error;
}
