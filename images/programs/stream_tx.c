// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream_tx ADDRESS PORT [--flows N] [--bytes B] [--seed S] [--timeout S] [--seconds S] [--pace R] [--unchecked]
 *
 * Sends B bytes (K, M, G allowed) of seeded pseudo-random data over each of N TCP flows at once and prints one
 * JSON line: per flow the local port, the bytes sent and their SHA-256. A refused connection is tried again until
 * the timeout, so the receiver may be started at the same time. SIGTERM, or the end of --seconds, makes the flows
 * end early and in order: what was sent until then is reported. --pace limits each flow to R bytes per second.
 * --unchecked sends the first 64 KiB again and again, hashes nothing and prints empty hashes: what is measured then is
 * the way of the bytes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/sha256.h"
#include "lib/sockets.h"

#define CHUNK_BYTES (64 * 1024)
#define TURN_BYTES (16 * CHUNK_BYTES) /* unchecked: then it is another flow's turn */

struct flow {
	int fd;
	unsigned int port;
	uint64_t random;
	uint64_t sent;
	unsigned int ready; /* bytes of chunk[] generated */
	unsigned int done; /* bytes of chunk[] sent */
	bool hashed;
	struct sha256 hash;
	uint64_t chunk[CHUNK_BYTES / sizeof(uint64_t)];
};

static volatile sig_atomic_t stop_requested;

static void stop(int signal_number)
{
	(void)signal_number;
	stop_requested = 1;
}

/* Sends what the socket takes. Returns 1 when the flow has ended. */
static int send_some(struct flow *flow, uint64_t bytes, int expired)
{
	uint64_t turn = flow->sent + TURN_BYTES;

	/* Where both ends share a CPU the receiver may keep up for ever: no EAGAIN ends this loop then. */
	while (flow->sent < bytes && !expired && !stop_requested) {
		ssize_t count;

		if (!flow->hashed && flow->sent >= turn)
			return 0;
		if (flow->done == flow->ready) {
			uint64_t left = bytes - flow->sent;

			flow->ready = left < CHUNK_BYTES ? left : CHUNK_BYTES;
			flow->done = 0;
			if (flow->hashed || !flow->sent)
				fill_random(&flow->random, flow->chunk, (flow->ready + 7) / 8);
		}
		count = send(flow->fd, (char *)flow->chunk + flow->done, flow->ready - flow->done, MSG_NOSIGNAL);
		if (count < 0 && errno == EAGAIN)
			return 0;
		if (count < 0)
			fail_errno("send on port %u after %llu bytes", flow->port,
				   (unsigned long long)flow->sent);
		if (flow->hashed)
			sha256_add(&flow->hash, (char *)flow->chunk + flow->done, count);
		flow->done += count;
		flow->sent += count;
	}
	return 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "flows", required_argument, NULL, 'f' },   { "bytes", required_argument, NULL, 'b' },
		{ "seed", required_argument, NULL, 's' },    { "timeout", required_argument, NULL, 't' },
		{ "seconds", required_argument, NULL, 'd' }, { "pace", required_argument, NULL, 'p' },
		{ "unchecked", no_argument, NULL, 'u' },  { 0 },
	};
	unsigned long long flows = 1, bytes = 1 << 20, seed = 1, timeout = 60, seconds = 0, pace = 0;
	bool hashed = true;
	struct address address;
	struct flow *all;
	struct pollfd *polls;
	double start, deadline;
	unsigned int open_flows;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'f': flows = number_argument("--flows", optarg); break;
		case 'b': bytes = number_argument("--bytes", optarg); break;
		case 's': seed = number_argument("--seed", optarg); break;
		case 't': timeout = number_argument("--timeout", optarg); break;
		case 'p': pace = number_argument("--pace", optarg); break;
		case 'd': seconds = number_argument("--seconds", optarg); break;
		case 'u': hashed = false; break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 2 || flows < 1 || flows > 1024) {
		fprintf(stderr, "usage: stream_tx ADDRESS PORT [--flows 1..1024] [--bytes B] [--seed S] "
				"[--timeout S] [--seconds S] [--pace R] [--unchecked]\n");
		return USAGE_STATUS;
	}
	address = parse_address(argv[optind], number_argument("PORT", argv[optind + 1]));
	signal(SIGTERM, stop);
	all = calloc(flows, sizeof(*all));
	polls = calloc(flows, sizeof(*polls));
	if (!all || !polls)
		fail_errno("memory for %llu flows", flows);

	deadline = seconds_now() + timeout;
	for (unsigned int i = 0; i < flows; i++) {
		all[i].fd = connect_until(&address, 0, deadline);
		if (fcntl(all[i].fd, F_SETFL, O_NONBLOCK))
			fail_errno("O_NONBLOCK");
		all[i].port = local_port(all[i].fd);
		if (pace && setsockopt(all[i].fd, SOL_SOCKET, SO_MAX_PACING_RATE, &pace, sizeof(pace)))
			fail_errno("SO_MAX_PACING_RATE");
		all[i].random = flow_state(seed, i);
		all[i].hashed = hashed;
		sha256_begin(&all[i].hash);
		polls[i] = (struct pollfd){ .fd = all[i].fd, .events = POLLOUT };
	}
	start = seconds_now();
	for (open_flows = flows; open_flows;) {
		double now = seconds_now();
		int expired = stop_requested || (seconds && now > start + seconds);
		int count;

		if (now > deadline)
			fail("%u of %llu flows were not finished after %llu s", open_flows, flows, timeout);
		count = poll(polls, flows, 100);
		if (count < 0 && errno != EINTR)
			fail_errno("poll");
		for (unsigned int i = 0; i < flows; i++) {
			if (polls[i].fd < 0 || !(polls[i].revents || expired) ||
			    !send_some(&all[i], bytes, expired))
				continue;
			if (shutdown(all[i].fd, SHUT_WR))
				fail_errno("shutdown of port %u", all[i].port);
			polls[i].fd = -1;
			open_flows--;
		}
	}
	/* The peer's FIN says that it has read everything: only then may the sockets go. */
	for (unsigned int i = 0; i < flows; i++) {
		struct pollfd end = { .fd = all[i].fd, .events = POLLIN };
		char byte;

		if (poll(&end, 1, (deadline - seconds_now()) * 1000 + 1) != 1)
			fail("port %u: the receiver did not close in %llu s", all[i].port, timeout);
		if (recv(all[i].fd, &byte, 1, 0) < 0)
			fail_errno("close of port %u", all[i].port);
	}
	printf("{\"seconds\":%.6f,\"seed\":%llu,\"flows\":[", seconds_now() - start, seed);
	for (unsigned int i = 0; i < flows; i++) {
		char hex[SHA256_HEX] = "";

		if (hashed)
			sha256_end(&all[i].hash, hex);
		printf("%s{\"port\":%u,\"bytes\":%llu,\"sha256\":\"%s\"}", i ? "," : "", all[i].port,
		       (unsigned long long)all[i].sent, hex);
	}
	printf("]}\n");
	return 0;
}
