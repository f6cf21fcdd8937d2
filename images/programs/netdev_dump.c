// SPDX-License-Identifier: GPL-2.0-only
/*
 * netdev_dump IFNAME [--pool-stats]
 *
 * What the kernel's "netdev" generic netlink family (linux/netdev.h) says about an interface, as one JSON line:
 *
 *   queues      id, type, NAPI, and its memory provider: io_uring (rx_buf_len: of its buffers), or the id of a bound
 *               dmabuf (0: none)
 *   page_pools  id, NAPI, pages in flight, memory provider, and whether the pool is detached (its queue is gone but
 *               buffers are still out: a leak if it stays)
 *   qstats      per queue the packets, bytes and other counters this kernel names (zero-valued ones left out)
 *
 * With --pool-stats only what needs CONFIG_PAGE_POOL_STATS, and pools that outlived their interface:
 *
 *   pool_stats  per page pool its id and the counters of page-pool-stats-get
 *   orphans     as page_pools: pools whose interface is gone while buffers were still out
 */
#define _GNU_SOURCE
#include <net/if.h>
#include <stdbool.h>

#include "lib/fail.h"
#include "lib/netlink.h"
#include "lib/page_pools.h"

typedef void (*print_object)(const struct attributes *attributes, bool first);

static struct netlink netlink;
static uint64_t wanted_ifindex;

struct listing {
	print_object print;
	unsigned int ifindex_attribute;
	bool any;
};

static void print_if_wanted(const struct attributes *attributes, void *context)
{
	struct listing *listing = context;

	if (netlink_number(attributes, listing->ifindex_attribute) != wanted_ifindex)
		return;
	listing->print(attributes, !listing->any);
	listing->any = true;
}

static void list(unsigned int command, const char *what, unsigned int ifindex_attribute,
		 unsigned int scope_attribute, print_object print)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *message = netlink_request(&netlink, buffer, command, NLM_F_DUMP);
	struct listing listing = { .print = print, .ifindex_attribute = ifindex_attribute };
	int error;

	if (scope_attribute)
		mnl_attr_put_u32(message, scope_attribute, NETDEV_QSTATS_SCOPE_QUEUE);
	error = netlink_exchange(&netlink, message, print_if_wanted, &listing);
	if (error)
		fail_with(error, "%s", what);
}

static const char *queue_type(const struct attributes *attributes, unsigned int type)
{
	return netlink_number(attributes, type) == NETDEV_QUEUE_TYPE_RX ? "rx" : "tx";
}

static void print_queue(const struct attributes *attributes, bool first)
{
	printf("%s{\"type\":\"%s\",\"id\":%llu,\"napi_id\":%llu,\"io_uring\":%s,\"rx_buf_len\":%llu,"
	       "\"dmabuf\":%llu}", first ? "" : ",",
	       queue_type(attributes, NETDEV_A_QUEUE_TYPE),
	       (unsigned long long)netlink_number(attributes, NETDEV_A_QUEUE_ID),
	       (unsigned long long)netlink_number(attributes, NETDEV_A_QUEUE_NAPI_ID),
	       attributes->of[NETDEV_A_QUEUE_IO_URING] ? "true" : "false",
	       provider_buf_len(attributes, NETDEV_A_QUEUE_IO_URING),
	       (unsigned long long)netlink_number(attributes, NETDEV_A_QUEUE_DMABUF));
}

static void print_page_pools(uint64_t ifindex)
{
	int error = list_page_pools(&netlink, ifindex, stdout, NULL);

	if (error)
		fail_with(error, "page-pool-get");
}

static void print_qstats(const struct attributes *attributes, bool first)
{
	static const struct {
		unsigned int type;
		const char *name;
	} counters[] = {
		{ NETDEV_A_QSTATS_RX_PACKETS, "rx_packets" },
		{ NETDEV_A_QSTATS_RX_BYTES, "rx_bytes" },
		{ NETDEV_A_QSTATS_TX_PACKETS, "tx_packets" },
		{ NETDEV_A_QSTATS_TX_BYTES, "tx_bytes" },
		{ NETDEV_A_QSTATS_RX_ALLOC_FAIL, "rx_alloc_fail" },
		{ NETDEV_A_QSTATS_RX_HW_DROPS, "rx_hw_drops" },
		{ NETDEV_A_QSTATS_RX_HW_DROP_OVERRUNS, "rx_hw_drop_overruns" },
		{ NETDEV_A_QSTATS_RX_HW_GRO_PACKETS, "rx_hw_gro_packets" },
		{ NETDEV_A_QSTATS_RX_HW_GRO_BYTES, "rx_hw_gro_bytes" },
		{ NETDEV_A_QSTATS_RX_HW_GRO_WIRE_PACKETS, "rx_hw_gro_wire_packets" },
		{ NETDEV_A_QSTATS_RX_HW_GRO_WIRE_BYTES, "rx_hw_gro_wire_bytes" },
		{ NETDEV_A_QSTATS_TX_HW_DROPS, "tx_hw_drops" },
	};

	printf("%s{\"type\":\"%s\",\"id\":%llu", first ? "" : ",", queue_type(attributes, NETDEV_A_QSTATS_QUEUE_TYPE),
	       (unsigned long long)netlink_number(attributes, NETDEV_A_QSTATS_QUEUE_ID));
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		if (netlink_number(attributes, counters[i].type))
			printf(",\"%s\":%llu", counters[i].name,
			       (unsigned long long)netlink_number(attributes, counters[i].type));
	}
	printf("}");
}

static void print_pool_stats(const struct attributes *attributes, bool first)
{
	static const struct {
		unsigned int type;
		const char *name;
	} counters[] = {
		{ NETDEV_A_PAGE_POOL_STATS_ALLOC_FAST, "alloc_fast" },
		{ NETDEV_A_PAGE_POOL_STATS_ALLOC_SLOW, "alloc_slow" },
		{ NETDEV_A_PAGE_POOL_STATS_ALLOC_SLOW_HIGH_ORDER, "alloc_slow_high_order" },
		{ NETDEV_A_PAGE_POOL_STATS_ALLOC_EMPTY, "alloc_empty" },
		{ NETDEV_A_PAGE_POOL_STATS_ALLOC_REFILL, "alloc_refill" },
		{ NETDEV_A_PAGE_POOL_STATS_ALLOC_WAIVE, "alloc_waive" },
		{ NETDEV_A_PAGE_POOL_STATS_RECYCLE_CACHED, "recycle_cached" },
		{ NETDEV_A_PAGE_POOL_STATS_RECYCLE_CACHE_FULL, "recycle_cache_full" },
		{ NETDEV_A_PAGE_POOL_STATS_RECYCLE_RING, "recycle_ring" },
		{ NETDEV_A_PAGE_POOL_STATS_RECYCLE_RING_FULL, "recycle_ring_full" },
		{ NETDEV_A_PAGE_POOL_STATS_RECYCLE_RELEASED_REFCNT, "recycle_released_refcnt" },
	};

	printf("%s{\"id\":%llu", first ? "" : ",", (unsigned long long)netlink_number(attributes, NETDEV_A_PAGE_POOL_ID));
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		printf(",\"%s\":%llu", counters[i].name,
		       (unsigned long long)netlink_number(attributes, counters[i].type));
	printf("}");
}

/* Its answers carry id and interface in a nest, whose attributes are numbered apart. */
static void print_stats_if_wanted(const struct attributes *attributes, void *context)
{
	const struct attributes info = netlink_nested(attributes->of[NETDEV_A_PAGE_POOL_STATS_INFO]);
	struct listing *listing = context;
	struct attributes merged = *attributes;

	if (netlink_number(&info, NETDEV_A_PAGE_POOL_IFINDEX) != wanted_ifindex)
		return;
	merged.of[NETDEV_A_PAGE_POOL_ID] = info.of[NETDEV_A_PAGE_POOL_ID];
	print_pool_stats(&merged, !listing->any);
	listing->any = true;
}

static void print_pools_only(void)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *message = netlink_request(&netlink, buffer, NETDEV_CMD_PAGE_POOL_STATS_GET, NLM_F_DUMP);
	struct listing listing = { 0 };
	int error;

	printf("{\"pool_stats\":[");
	error = netlink_exchange(&netlink, message, print_stats_if_wanted, &listing);
	if (error)
		fail_with(error, "page-pool-stats-get");
	printf("],\"orphans\":");
	print_page_pools(0); /* the kernel names no interface for them */
	printf("}\n");
}

int main(int argc, char **argv)
{
	bool pools_only = argc == 3 && !strcmp(argv[2], "--pool-stats");

	if (argc != 2 && !pools_only) {
		fprintf(stderr, "usage: netdev_dump IFNAME [--pool-stats]\n");
		return USAGE_STATUS;
	}
	wanted_ifindex = if_nametoindex(argv[1]);
	if (!wanted_ifindex)
		fail("no interface is called '%s'", argv[1]);
	netlink_open(&netlink, NETDEV_FAMILY_NAME);

	if (pools_only) {
		print_pools_only();
		return 0;
	}
	printf("{\"queues\":[");
	list(NETDEV_CMD_QUEUE_GET, "queue-get", NETDEV_A_QUEUE_IFINDEX, 0, print_queue);
	printf("],\"page_pools\":");
	print_page_pools(wanted_ifindex);
	printf(",\"qstats\":[");
	list(NETDEV_CMD_QSTATS_GET, "qstats-get", NETDEV_A_QSTATS_IFINDEX, NETDEV_A_QSTATS_SCOPE, print_qstats);
	printf("]}\n");
	return 0;
}
