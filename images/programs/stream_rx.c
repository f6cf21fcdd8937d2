// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream_rx ADDRESS PORT [--flows N] [--timeout S] [--seed S | --unchecked]
 *
 * The ordinary receiver: accepts N TCP flows, reads each to its end through the socket and prints one JSON line:
 * per flow the sender's port, the bytes received and their SHA-256. zcrx_rx prints the same for zero copy. With the
 * sender's seed the bytes are compared as they come, and a flow says where it differs (lib/expected.h). --unchecked
 * hashes nothing, and prints empty hashes.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/expected.h"
#include "lib/fail.h"
#include "lib/sha256.h"
#include "lib/sockets.h"

struct flow {
	unsigned int port;
	uint64_t bytes;
	struct sha256 hash;
	struct expected expected;
};

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "flows", required_argument, NULL, 'f' },
		{ "timeout", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },
		{ "unchecked", no_argument, NULL, 'u' },
		{ 0 },
	};
	static unsigned char buffer[256 * 1024];
	unsigned long long flows = 1, timeout = 60, seed = 0;
	bool seeded = false, hashed = true;
	unsigned int accepted = 0, ended = 0;
	struct address address;
	struct pollfd *polls;
	struct flow *all;
	double deadline, start = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'f': flows = number_argument("--flows", optarg); break;
		case 't': timeout = number_argument("--timeout", optarg); break;
		case 's':
			seed = number_argument("--seed", optarg);
			seeded = true;
			break;
		case 'u': hashed = false; break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 2 || flows < 1 || flows > 1024 || (seeded && !hashed)) {
		fprintf(stderr, "usage: stream_rx ADDRESS PORT [--flows 1..1024] [--timeout S] "
				"[--seed S | --unchecked]\n");
		return USAGE_STATUS;
	}
	address = parse_address(argv[optind], number_argument("PORT", argv[optind + 1]));
	all = calloc(flows, sizeof(*all));
	polls = calloc(flows + 1, sizeof(*polls));
	if (!all || !polls)
		fail_errno("memory for %llu flows", flows);
	for (unsigned int i = 0; i < flows; i++)
		polls[i].fd = -1;
	polls[flows] = (struct pollfd){ .fd = listen_on(&address, flows), .events = POLLIN };

	deadline = seconds_now() + timeout;
	while (ended < flows) {
		if (seconds_now() > deadline)
			fail("%u of %llu flows came, %u ended, in %llu s", accepted, flows, ended, timeout);
		if (poll(polls, flows + 1, 100) < 0)
			fail_errno("poll");
		if (polls[flows].revents && accepted < flows) {
			int fd = accept4(polls[flows].fd, NULL, NULL, SOCK_CLOEXEC);

			if (fd < 0)
				fail_errno("accept");
			if (!accepted)
				start = seconds_now();
			all[accepted].port = peer_port(fd);
			sha256_begin(&all[accepted].hash);
			if (seeded)
				expect_stream(&all[accepted].expected, seed, flows);
			polls[accepted++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
		for (unsigned int i = 0; i < accepted; i++) {
			ssize_t count;

			if (polls[i].fd < 0 || !polls[i].revents)
				continue;
			count = recv(polls[i].fd, buffer, sizeof(buffer), 0);
			if (count < 0)
				fail_errno("recv from port %u", all[i].port);
			if (hashed)
				sha256_add(&all[i].hash, buffer, count);
			expected_compare(&all[i].expected, buffer, count);
			all[i].bytes += count;
			if (!count) {
				close(polls[i].fd);
				polls[i].fd = -1;
				ended++;
			}
		}
	}
	printf("{\"seconds\":%.6f,\"flows\":[", seconds_now() - start);
	for (unsigned int i = 0; i < flows; i++) {
		char hex[SHA256_HEX] = "";

		if (hashed)
			sha256_end(&all[i].hash, hex);
		printf("%s{\"port\":%u,\"bytes\":%llu,\"sha256\":\"%s\"", i ? "," : "", all[i].port,
		       (unsigned long long)all[i].bytes, hex);
		expected_print(&all[i].expected, stdout);
		printf("}");
	}
	printf("]}\n");
	return 0;
}
