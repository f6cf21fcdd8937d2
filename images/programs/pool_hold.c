// SPDX-License-Identifier: GPL-2.0-only
/*
 * pool_hold ADDRESS PORT --hold BYTES [--pipe] [--seed SEED] [--timeout S]
 *
 * Keeps received buffers from the NIC's page pools: accepts one TCP flow and lets up to BYTES of it wait in the
 * socket, or with --pipe splices them into a pipe, whose pages have a second user then. On SIGUSR1 it reads them, then
 * the flow to its end, and prints what stream_rx prints, and how many bytes were held:
 *
 *   {"held":BYTES,"flows":[{"port":P,"bytes":N,"sha256":"..."}]}
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/expected.h"
#include "lib/fail.h"
#include "lib/sha256.h"
#include "lib/sockets.h"

static unsigned char buffer[256 * 1024];

static int accept_one(const struct address *address, unsigned long long hold, unsigned long long timeout)
{
	struct pollfd wait = { .fd = listen_on(address, 1), .events = POLLIN };
	int window = hold < 1 << 29 ? 2 * hold : 1 << 30; /* half of it is for the kernel's own use */
	int fd;

	/* the accepted socket inherits it; without CAP_NET_ADMIN the sysctl rmem_max bounds it */
	if (setsockopt(wait.fd, SOL_SOCKET, SO_RCVBUFFORCE, &window, sizeof(window)))
		fail_errno("SO_RCVBUFFORCE");
	if (poll(&wait, 1, timeout * 1000) != 1)
		fail("no flow came in %llu s", timeout);
	fd = accept4(wait.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		fail_errno("accept");
	return fd;
}

/* Moves up to `most` bytes, as many as come before SIGUSR1. */
static uint64_t fill_pipe(int fd, int pipe_fd, uint64_t most, const sigset_t *wanted, double deadline)
{
	struct timespec soon = { .tv_nsec = 20 * 1000 * 1000 };
	uint64_t moved = 0;

	while (sigtimedwait(wanted, NULL, &soon) != SIGUSR1) {
		ssize_t count = 0;

		if (seconds_now() > deadline)
			fail("no SIGUSR1 came");
		while (moved < most &&
		       (count = splice(fd, NULL, pipe_fd, NULL, most - moved, SPLICE_F_NONBLOCK)) > 0)
			moved += count;
		if (count < 0 && errno != EAGAIN)
			fail_errno("splice");
	}
	return moved;
}

static uint64_t take(int fd, uint64_t most, struct sha256 *hash, struct expected *expected)
{
	uint64_t taken = 0;

	while (taken < most) {
		size_t wanted = most - taken < sizeof(buffer) ? most - taken : sizeof(buffer);
		ssize_t count = read(fd, buffer, wanted);

		if (count < 0)
			fail_errno("read");
		if (!count)
			break;
		sha256_add(hash, buffer, count);
		expected_compare(expected, buffer, count);
		taken += count;
	}
	return taken;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "hold", required_argument, NULL, 'h' },
		{ "pipe", no_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 't' },
		{ 0 },
	};
	unsigned long long hold = 0, timeout = 60;
	bool by_pipe = false;
	struct address address;
	char hex[SHA256_HEX];
	struct expected expected = { 0 };
	struct sha256 hash;
	uint64_t held, bytes;
	unsigned int port;
	int option, fd, waiting = 0, ends[2];
	sigset_t wanted;
	double deadline;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'h': hold = number_argument("--hold", optarg); break;
		case 'p': by_pipe = true; break;
		case 's': expect_stream(&expected, number_argument("--seed", optarg), 1); break;
		case 't': timeout = number_argument("--timeout", optarg); break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 2 || !hold) {
		fprintf(stderr, "usage: pool_hold ADDRESS PORT --hold BYTES [--pipe] [--seed SEED] [--timeout S]\n");
		return USAGE_STATUS;
	}
	address = parse_address(argv[optind], number_argument("PORT", argv[optind + 1]));
	deadline = seconds_now() + timeout;
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &wanted, NULL) || pipe2(ends, O_CLOEXEC))
		fail_errno("signals and pipe");
	fd = accept_one(&address, hold, timeout);
	port = peer_port(fd);
	sha256_begin(&hash);
	if (by_pipe) {
		if (fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) < 0)
			fail_errno("room in the pipe");
		held = fill_pipe(fd, ends[1], hold, &wanted, deadline);
		bytes = take(ends[0], held, &hash, &expected);
	} else {
		struct timespec patience = { .tv_sec = timeout };

		if (sigtimedwait(&wanted, NULL, &patience) != SIGUSR1)
			fail("no SIGUSR1 came in %llu s", timeout);
		if (ioctl(fd, FIONREAD, &waiting))
			fail_errno("FIONREAD");
		held = waiting;
		bytes = 0;
	}
	bytes += take(fd, UINT64_MAX, &hash, &expected);
	sha256_end(&hash, hex);
	printf("{\"held\":%llu,\"flows\":[{\"port\":%u,\"bytes\":%llu,\"sha256\":\"%s\"",
	       (unsigned long long)held, port, (unsigned long long)bytes, hex);
	expected_print(&expected, stdout);
	puts("}]}");
	return 0;
}
