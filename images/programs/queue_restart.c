// SPDX-License-Identifier: GPL-2.0-only
/*
 * queue_restart IFNAME QUEUE COUNT [--area B] [--timeout S]
 *
 * Restarts one rx queue COUNT times (COUNT even) through the netdev queue API: binding a memory provider restarts
 * the queue, and so does letting it go. Prints {"restarts":N,"seconds":S,"longest_ms":M}.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/sockets.h"
#include "lib/zcrx.h"

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

	start = seconds_now();
	deadline = start + timeout;
	for (unsigned long long done = 0; done < count; done += 2) {
		struct zcrx zcrx = { 0 };
		double began = seconds_now();
		int status;

		zcrx_create_ring(&zcrx);
		/* The provider before may still be on its way out: closing a ring ends in a worker. */
		while ((status = zcrx_register(&zcrx, &options)) == EEXIST || status == EBUSY) {
			if (seconds_now() > deadline)
				break;
			usleep(2000);
		}
		if (status)
			fail_with(status, "queue %u of %s cannot be bound after %llu restarts", options.queue,
				  options.ifname, done);
		zcrx_destroy(&zcrx);
		if (seconds_now() - began > longest)
			longest = seconds_now() - began;
	}
	printf("{\"restarts\":%llu,\"seconds\":%.6f,\"longest_ms\":%.3f}\n", count, seconds_now() - start,
	       longest * 1000);
	return 0;
}
