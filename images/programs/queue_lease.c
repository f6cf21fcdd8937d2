// SPDX-License-Identifier: GPL-2.0-only
/*
 * queue_lease VIRTUAL IFNAME QUEUE
 * queue_lease --probe
 *
 * Makes a receive queue of the device VIRTUAL that stands for QUEUE of IFNAME (NETDEV_CMD_QUEUE_CREATE), and prints
 * {"queue":N}, its number. It goes when VIRTUAL goes.
 * --probe only says whether this kernel knows of such queues: {"queue_create":true}.
 */
#define _GNU_SOURCE
#include <net/if.h>
#include <stdlib.h>

#include "lib/fail.h"
#include "lib/netlink.h"

static struct netlink netlink;

static uint32_t index_of(const char *name)
{
	const uint32_t ifindex = if_nametoindex(name);

	if (!ifindex)
		fail("no interface is called '%s'", name);
	return ifindex;
}

static void take_queue(const struct attributes *attributes, void *queue)
{
	*(uint32_t *)queue = netlink_number(attributes, NETDEV_A_QUEUE_ID);
}

/* A request without attributes is refused for that by a kernel that knows it. */
static int probe(void)
{
	char buffer[256] __attribute__((aligned(8)));
	uint32_t none;
	const int error = netlink_exchange(&netlink, netlink_request(&netlink, buffer, NETDEV_CMD_QUEUE_CREATE, 0),
					   take_queue, &none);

	printf("{\"queue_create\":%s}\n", error == EINVAL ? "true" : "false");
	return 0;
}

int main(int argc, char **argv)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlattr *lease, *queue;
	struct nlmsghdr *message;
	uint32_t made = 0;
	int error;

	if (argc != 4 && (argc != 2 || strcmp(argv[1], "--probe"))) {
		fprintf(stderr, "usage: queue_lease VIRTUAL IFNAME QUEUE\n       queue_lease --probe\n");
		return USAGE_STATUS;
	}
	netlink_open(&netlink, NETDEV_FAMILY_NAME);
	if (argc == 2)
		return probe();

	message = netlink_request(&netlink, buffer, NETDEV_CMD_QUEUE_CREATE, 0);
	mnl_attr_put_u32(message, NETDEV_A_QUEUE_IFINDEX, index_of(argv[1]));
	mnl_attr_put_u32(message, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
	lease = mnl_attr_nest_start(message, NETDEV_A_QUEUE_LEASE);
	mnl_attr_put_u32(message, NETDEV_A_LEASE_IFINDEX, index_of(argv[2]));
	queue = mnl_attr_nest_start(message, NETDEV_A_LEASE_QUEUE);
	mnl_attr_put_u32(message, NETDEV_A_QUEUE_ID, strtoul(argv[3], NULL, 10));
	mnl_attr_put_u32(message, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
	mnl_attr_nest_end(message, queue);
	mnl_attr_nest_end(message, lease);
	error = netlink_exchange(&netlink, message, take_queue, &made);
	if (error)
		fail_with(error, "queue %s of %s: %s", argv[3], argv[2], netlink.extack);
	printf("{\"queue\":%u}\n", made);
	return 0;
}
