// SPDX-License-Identifier: GPL-2.0-only
/*
 * netdev_dump IFNAME
 *
 * What the kernel's "netdev" generic netlink family (linux/netdev.h) says about an interface, as one JSON line:
 *
 *   queues      id, type, NAPI, and whether an io_uring memory provider is bound
 *   page_pools  id, NAPI, pages in flight, io_uring, and whether the pool is detached (its queue is gone but
 *               buffers are still out: a leak if it stays)
 *   qstats      per queue the packets, bytes and other counters this kernel names (zero-valued ones left out)
 */
#define _GNU_SOURCE
#include <linux/genetlink.h>
#include <linux/netdev.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"

#define ATTRIBUTES_MAX 64
#define BUFFER_BYTES 65536

struct attributes {
	const struct nlattr *of[ATTRIBUTES_MAX];
};

typedef void (*print_object)(const struct attributes *attributes, bool first);

static int netlink_fd;
static uint32_t sequence;
static uint64_t wanted_ifindex;

static struct attributes parse(const void *data, int length)
{
	struct attributes result = { 0 };
	const struct nlattr *attribute = data;

	while (length >= (int)NLA_HDRLEN && attribute->nla_len >= NLA_HDRLEN && attribute->nla_len <= length) {
		unsigned int type = attribute->nla_type & NLA_TYPE_MASK;
		int step = NLA_ALIGN(attribute->nla_len);

		if (type < ATTRIBUTES_MAX)
			result.of[type] = attribute;
		length -= step;
		attribute = (const void *)((const char *)attribute + step);
	}
	return result;
}

/* The spec's "uint" is 4 or 8 bytes long. */
static uint64_t number(const struct attributes *attributes, unsigned int type)
{
	const struct nlattr *attribute = attributes->of[type];
	uint64_t wide = 0;
	uint32_t narrow = 0;

	if (!attribute)
		return 0;
	if (attribute->nla_len - NLA_HDRLEN == sizeof(wide)) {
		memcpy(&wide, (const char *)attribute + NLA_HDRLEN, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, (const char *)attribute + NLA_HDRLEN,
	       attribute->nla_len - NLA_HDRLEN < (int)sizeof(narrow) ? attribute->nla_len - NLA_HDRLEN :
								       (int)sizeof(narrow));
	return narrow;
}

static void append(struct nlmsghdr *message, unsigned int type, const void *data, unsigned int length)
{
	struct nlattr *attribute = (void *)((char *)message + NLMSG_ALIGN(message->nlmsg_len));

	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + length;
	memcpy((char *)attribute + NLA_HDRLEN, data, length);
	message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + NLA_ALIGN(attribute->nla_len);
}

static struct nlmsghdr *request(void *buffer, unsigned int family, unsigned int command, unsigned int flags)
{
	struct nlmsghdr *message = buffer;
	struct genlmsghdr *header = NLMSG_DATA(message);

	memset(buffer, 0, NLMSG_SPACE(sizeof(*header)));
	message->nlmsg_len = NLMSG_LENGTH(sizeof(*header));
	message->nlmsg_type = family;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++sequence;
	header->cmd = command;
	header->version = 1;
	return message;
}

/* Sends and calls `each` for every answer. `what` names the request in an error. */
static void exchange(struct nlmsghdr *message, const char *what, void (*each)(const struct attributes *, void *),
		     void *context)
{
	static char buffer[BUFFER_BYTES] __attribute__((aligned(8)));
	bool dump = message->nlmsg_flags & NLM_F_DUMP;

	if (send(netlink_fd, message, message->nlmsg_len, 0) < 0)
		fail_errno("%s", what);
	for (;;) {
		ssize_t length = recv(netlink_fd, buffer, sizeof(buffer), 0);
		struct nlmsghdr *answer = (void *)buffer;

		if (length < 0)
			fail_errno("%s", what);
		for (; NLMSG_OK(answer, length); answer = NLMSG_NEXT(answer, length)) {
			struct attributes attributes;

			if (answer->nlmsg_seq != sequence)
				continue;
			if (answer->nlmsg_type == NLMSG_DONE)
				return;
			if (answer->nlmsg_type == NLMSG_ERROR) {
				int error = ((struct nlmsgerr *)NLMSG_DATA(answer))->error;

				if (error)
					fail_with(-error, "%s", what);
				return;
			}
			attributes = parse((char *)NLMSG_DATA(answer) + GENL_HDRLEN,
					   answer->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN));
			each(&attributes, context);
			if (!dump)
				return;
		}
	}
}

static void take_family(const struct attributes *attributes, void *family)
{
	*(unsigned int *)family = number(attributes, CTRL_ATTR_FAMILY_ID);
}

struct listing {
	print_object print;
	unsigned int ifindex_attribute;
	bool any;
};

static void print_if_wanted(const struct attributes *attributes, void *context)
{
	struct listing *listing = context;

	if (number(attributes, listing->ifindex_attribute) != wanted_ifindex)
		return;
	listing->print(attributes, !listing->any);
	listing->any = true;
}

static void list(unsigned int family, unsigned int command, const char *what, unsigned int ifindex_attribute,
		 unsigned int scope_attribute, print_object print)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *message = request(buffer, family, command, NLM_F_DUMP);
	struct listing listing = { .print = print, .ifindex_attribute = ifindex_attribute };

	if (scope_attribute) {
		uint32_t scope = NETDEV_QSTATS_SCOPE_QUEUE;

		append(message, scope_attribute, &scope, sizeof(scope));
	}
	exchange(message, what, print_if_wanted, &listing);
}

static const char *queue_type(const struct attributes *attributes, unsigned int type)
{
	return number(attributes, type) == NETDEV_QUEUE_TYPE_RX ? "rx" : "tx";
}

static void print_queue(const struct attributes *attributes, bool first)
{
	printf("%s{\"type\":\"%s\",\"id\":%llu,\"napi_id\":%llu,\"io_uring\":%s}", first ? "" : ",",
	       queue_type(attributes, NETDEV_A_QUEUE_TYPE),
	       (unsigned long long)number(attributes, NETDEV_A_QUEUE_ID),
	       (unsigned long long)number(attributes, NETDEV_A_QUEUE_NAPI_ID),
	       attributes->of[NETDEV_A_QUEUE_IO_URING] ? "true" : "false");
}

static void print_page_pool(const struct attributes *attributes, bool first)
{
	printf("%s{\"id\":%llu,\"napi_id\":%llu,\"inflight\":%llu,\"inflight_bytes\":%llu,\"io_uring\":%s,"
	       "\"detached\":%s}",
	       first ? "" : ",", (unsigned long long)number(attributes, NETDEV_A_PAGE_POOL_ID),
	       (unsigned long long)number(attributes, NETDEV_A_PAGE_POOL_NAPI_ID),
	       (unsigned long long)number(attributes, NETDEV_A_PAGE_POOL_INFLIGHT),
	       (unsigned long long)number(attributes, NETDEV_A_PAGE_POOL_INFLIGHT_MEM),
	       attributes->of[NETDEV_A_PAGE_POOL_IO_URING] ? "true" : "false",
	       attributes->of[NETDEV_A_PAGE_POOL_DETACH_TIME] ? "true" : "false");
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
	       (unsigned long long)number(attributes, NETDEV_A_QSTATS_QUEUE_ID));
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		if (number(attributes, counters[i].type))
			printf(",\"%s\":%llu", counters[i].name,
			       (unsigned long long)number(attributes, counters[i].type));
	}
	printf("}");
}

int main(int argc, char **argv)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *message;
	unsigned int family = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: netdev_dump IFNAME\n");
		return USAGE_STATUS;
	}
	wanted_ifindex = if_nametoindex(argv[1]);
	if (!wanted_ifindex)
		fail("no interface is called '%s'", argv[1]);
	netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (netlink_fd < 0)
		fail_errno("generic netlink");

	message = request(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	append(message, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY_NAME, sizeof(NETDEV_FAMILY_NAME));
	exchange(message, "family " NETDEV_FAMILY_NAME, take_family, &family);

	printf("{\"queues\":[");
	list(family, NETDEV_CMD_QUEUE_GET, "queue-get", NETDEV_A_QUEUE_IFINDEX, 0, print_queue);
	printf("],\"page_pools\":[");
	list(family, NETDEV_CMD_PAGE_POOL_GET, "page-pool-get", NETDEV_A_PAGE_POOL_IFINDEX, 0, print_page_pool);
	printf("],\"qstats\":[");
	list(family, NETDEV_CMD_QSTATS_GET, "qstats-get", NETDEV_A_QSTATS_IFINDEX, NETDEV_A_QSTATS_SCOPE,
	     print_qstats);
	printf("]}\n");
	return 0;
}
