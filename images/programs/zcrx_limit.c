// SPDX-License-Identifier: GPL-2.0-only
/*
 * zcrx_limit IFNAME QUEUE ADDRESS PORT WAITING LIMIT... [--timeout S]
 *
 * Binds QUEUE for zero-copy receive, accepts one TCP flow and lets WAITING bytes pile up in its socket. Then it asks
 * for LIMIT bytes (sqe->len) once for each LIMIT and prints what it was asked for and what came:
 * {"asked":[20000,7],"got":[20000,7]}
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "sockets.h"
#include "zcrx.h"

static int accept_flow(const struct address *address, unsigned long long timeout)
{
	struct pollfd wait = { .fd = listen_on(address, 1), .events = POLLIN };
	int fd;

	if (poll(&wait, 1, timeout * 1000) != 1)
		fail("no flow came");
	fd = accept4(wait.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		fail_errno("accept");
	return fd;
}

static void let_pile_up(int fd, int waiting, double deadline)
{
	int have = 0;

	while (have < waiting) {
		if (ioctl(fd, FIONREAD, &have))
			fail_errno("FIONREAD");
		if (seconds_now() > deadline)
			fail("only %d of %d bytes wait in the socket", have, waiting);
		usleep(1000);
	}
}

/* One request; returns the bytes that came before its last completion. */
static uint64_t receive(struct zcrx *zcrx, int fd, uint32_t limit, double deadline)
{
	const struct io_uring_cqe *cqe;
	uint64_t got = 0;

	zcrx_receive_limited(zcrx, fd, 0, limit);
	for (;;) {
		if (seconds_now() > deadline)
			fail("%u bytes asked for, %llu came in time", limit, (unsigned long long)got);
		zcrx_wait(zcrx, 500);
		while ((cqe = zcrx_completion(zcrx))) {
			bool more = cqe->flags & IORING_CQE_F_MORE;
			int result = cqe->res;

			if (cqe->user_data != ZCRX_EVENT_USER_DATA && result > 0) {
				zcrx_payload(zcrx, cqe);
				got += result;
				zcrx_return(zcrx, cqe);
			}
			more = more || cqe->user_data == ZCRX_EVENT_USER_DATA;
			zcrx_completion_done(zcrx);
			if (result < 0)
				fail_with(-result, "RECV_ZC after %llu bytes", (unsigned long long)got);
			if (!more)
				return got;
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ 0 },
	};
	struct zcrx_options options = { .area_bytes = 16 << 20 };
	struct zcrx zcrx = { 0 };
	unsigned long long timeout = 60;
	uint64_t got[64];
	struct address address;
	double deadline;
	int option, fd, count, status;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option != 't')
			return USAGE_STATUS;
		timeout = number_argument("--timeout", optarg);
	}
	count = argc - optind - 5;
	if (count < 1 || count > 64) {
		fprintf(stderr, "usage: zcrx_limit IFNAME QUEUE ADDRESS PORT WAITING LIMIT... [--timeout S]\n");
		return USAGE_STATUS;
	}
	argv += optind;
	options.ifname = argv[0];
	options.queue = number_argument("QUEUE", argv[1]);
	address = parse_address(argv[2], number_argument("PORT", argv[3]));
	zcrx_create_ring(&zcrx);
	status = zcrx_register(&zcrx, &options);
	if (status)
		fail_with(status, "queue %u of %s cannot be bound", options.queue, options.ifname);
	fd = accept_flow(&address, timeout);
	deadline = seconds_now() + timeout;
	let_pile_up(fd, number_argument("WAITING", argv[4]), deadline);
	for (int i = 0; i < count; i++)
		got[i] = receive(&zcrx, fd, number_argument("LIMIT", argv[5 + i]), deadline);
	printf("{\"asked\":[");
	for (int i = 0; i < count; i++)
		printf("%s%llu", i ? "," : "", number_argument("LIMIT", argv[5 + i]));
	printf("],\"got\":[");
	for (int i = 0; i < count; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)got[i]);
	printf("]}\n");
	return 0;
}
