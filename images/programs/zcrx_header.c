// SPDX-License-Identifier: GPL-2.0-only
/*
 * zcrx_header IFNAME QUEUE
 *
 * Binds QUEUE for zero-copy receive with a refill ring in memory that is full of old content (bytes 0xff), and prints
 * head and tail of the ring as the kernel leaves them: {"head":0,"tail":0}
 */
#define _GNU_SOURCE
#include "lib/fail.h"
#include "lib/zcrx.h"

int main(int argc, char **argv)
{
	struct zcrx_options options = { .area_bytes = 4 << 20, .region_content = 0xff };
	struct zcrx zcrx = { 0 };
	int status;

	if (argc != 3) {
		fprintf(stderr, "usage: zcrx_header IFNAME QUEUE\n");
		return USAGE_STATUS;
	}
	options.ifname = argv[1];
	options.queue = number_argument("QUEUE", argv[2]);
	zcrx_create_ring(&zcrx);
	status = zcrx_register(&zcrx, &options);
	if (status)
		fail_with(status, "queue %u of %s cannot be bound", options.queue, options.ifname);
	printf("{\"head\":%u,\"tail\":%u}\n", *zcrx.refill.khead, *zcrx.refill.ktail);
	return 0;
}
