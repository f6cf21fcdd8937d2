// SPDX-License-Identifier: GPL-2.0-only
/*
 * queue_restart IFNAME QUEUE COUNT [--area B] [--timeout S]
 *
 * Restarts one rx queue COUNT times (COUNT even) through the netdev queue API: binding a memory provider restarts
 * the queue, and so does letting it go. Prints {"restarts":N,"seconds":S,"longest_ms":M} once the last is over.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <net/if.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/netlink.h"
#include "lib/sockets.h"
#include "lib/zcrx.h"

#define POLL_US 2000

static struct netlink netlink;

static void note_provider(const struct attributes *attributes, void *bound)
{
	*(bool *)bound = attributes->of[NETDEV_A_QUEUE_IO_URING];
}

/* Whether an io_uring holds the queue. One that the kernel tells nothing of, as its interface is down or gone, has
 * nothing to wait for. */
static bool is_bound(const struct zcrx_options *options)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *message = netlink_request(&netlink, buffer, NETDEV_CMD_QUEUE_GET, 0);
	bool bound = false;

	mnl_attr_put_u32(message, NETDEV_A_QUEUE_IFINDEX, if_nametoindex(options->ifname));
	mnl_attr_put_u32(message, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
	mnl_attr_put_u32(message, NETDEV_A_QUEUE_ID, options->queue);
	return !netlink_exchange(&netlink, message, note_provider, &bound) && bound;
}

/* Closing a ring ends in a worker, which lets the queue go and restarts it. */
static void close_and_wait(struct zcrx *zcrx, const struct zcrx_options *options, double deadline)
{
	zcrx_destroy(zcrx);
	while (is_bound(options)) {
		if (seconds_now() > deadline)
			fail("queue %u of %s is not let go", options->queue, options->ifname);
		usleep(POLL_US);
	}
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "area", required_argument, NULL, 'a' },
		{ "timeout", required_argument, NULL, 't' },
		{ 0 },
	};
	struct zcrx_options options = { .area_bytes = 16 << 20 };
	unsigned long long count, timeout = 120;
	double start, deadline, longest = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'a': options.area_bytes = number_argument("--area", optarg); break;
		case 't': timeout = number_argument("--timeout", optarg); break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 3) {
		fprintf(stderr, "usage: queue_restart IFNAME QUEUE COUNT [--area B] [--timeout S]\n");
		return USAGE_STATUS;
	}
	options.ifname = argv[optind];
	options.queue = number_argument("QUEUE", argv[optind + 1]);
	count = number_argument("COUNT", argv[optind + 2]);
	if (count % 2)
		fail("COUNT %llu is odd: a bound queue must be let go again", count);

	netlink_open(&netlink, NETDEV_FAMILY_NAME);
	start = seconds_now();
	deadline = start + timeout;
	for (unsigned long long done = 0; done < count; done += 2) {
		struct zcrx zcrx = { 0 };
		double began = seconds_now();
		int status;

		zcrx_create_ring(&zcrx);
		/* Whoever had the queue before may still be on the way out. */
		while ((status = zcrx_register(&zcrx, &options)) == EEXIST || status == EBUSY) {
			if (seconds_now() > deadline)
				break;
			usleep(POLL_US);
		}
		if (status)
			fail_with(status, "queue %u of %s cannot be bound after %llu restarts", options.queue,
				  options.ifname, done);
		close_and_wait(&zcrx, &options, deadline);
		if (seconds_now() - began > longest)
			longest = seconds_now() - began;
	}
	printf("{\"restarts\":%llu,\"seconds\":%.6f,\"longest_ms\":%.3f}\n", count, seconds_now() - start,
	       longest * 1000);
	return 0;
}
