// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <poll.h>
#include <sys/ioctl.h>

#include "lib/fail.h"
#include "zcrx_console/objects.h"

static void step_listen(struct words *words, FILE *out)
{
	struct flow *flow = flow_of(words);
	struct address address = address_of(words);

	begin_flow(flow, listen_on(&address, SOCKETS));
	limit_receive_buffer(flow->fd, number_word(words, "rcvbuf", 0));
	answer_errno(out, 0);
}

static void step_udp(struct words *words, FILE *out)
{
	begin_flow(flow_of(words), socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	answer_errno(out, 0);
}

static void step_accept(struct words *words, FILE *out)
{
	struct flow *flow = flow_of(words);
	struct pollfd wait = { .fd = flows[place_word(words, "of", SOCKETS)].fd, .events = POLLIN };
	int fd = poll(&wait, 1, number_word(words, "timeout", STEP_TIMEOUT_MS)) == 1 ?
		 accept4(wait.fd, NULL, NULL, SOCK_CLOEXEC) : -1;

	if (fd < 0)
		fail("no connection came");
	begin_flow(flow, fd);
	fprintf(out, "{\"errno\":\"\",\"port\":%u}\n", peer_port(fd));
}

static void step_connect(struct words *words, FILE *out)
{
	struct flow *flow = flow_of(words);
	struct address address = address_of(words);
	int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address.storage, address.length))
		fail_errno("connect");
	begin_flow(flow, fd);
	fprintf(out, "{\"errno\":\"\",\"port\":%u}\n", local_port(fd));
}

/* Seeded data, as far as the socket takes it without waiting; counted and hashed for this end. */
static void step_send(struct words *words, FILE *out)
{
	static uint64_t chunk[1024];
	struct flow *flow = flow_of(words);
	uint64_t left = number_word(words, "bytes", 1), state = flow_state(flow->bytes, 0), sent = 0;

	while (left) {
		size_t bytes = left < sizeof(chunk) ? left : sizeof(chunk);
		ssize_t count;

		fill_random(&state, chunk, (bytes + 7) / 8);
		count = send(flow->fd, chunk, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (count < 0)
			break;
		sha256_add(&flow->hash, chunk, count);
		sent += count;
		left -= count;
	}
	flow->bytes += sent;
	fprintf(out, "{\"errno\":\"%s\",\"bytes\":%llu}\n", left ? error_name(errno) : "", (unsigned long long)sent);
}

/* recv(2): what an application without zero-copy receive would get. */
static void step_read(struct words *words, FILE *out)
{
	static char buffer[65536];
	struct flow *flow = flow_of(words);
	uint64_t bytes = number_word(words, "bytes", sizeof(buffer));
	struct pollfd wait = { .fd = flow->fd, .events = POLLIN };
	ssize_t count = -1;

	errno = ETIMEDOUT;
	if (poll(&wait, 1, number_word(words, "timeout", STEP_TIMEOUT_MS)) == 1)
		count = recv(flow->fd, buffer, bytes < sizeof(buffer) ? bytes : sizeof(buffer), MSG_DONTWAIT);
	if (count > 0)
		take_bytes(flow, buffer, count);
	fprintf(out, "{\"errno\":\"%s\",\"bytes\":%zd}\n", count < 0 ? error_name(errno) : "",
		count < 0 ? 0 : count);
}

static void step_waiting(struct words *words, FILE *out)
{
	int bytes = 0;

	if (ioctl(flow_of(words)->fd, FIONREAD, &bytes))
		fail_errno("FIONREAD");
	fprintf(out, "{\"bytes\":%d}\n", bytes);
}

static void step_shutdown(struct words *words, FILE *out)
{
	answer_errno(out, shutdown(flow_of(words)->fd, SHUT_RDWR) ? errno : 0);
}

static void step_expect(struct words *words, FILE *out)
{
	expect_stream(&flow_of(words)->expected, number_word(words, "seed", 1), 1);
	answer_errno(out, 0);
}

static void step_digest(struct words *words, FILE *out)
{
	const struct flow *flow = flow_of(words);
	struct sha256 hash = flow->hash;
	char hex[SHA256_HEX];

	sha256_end(&hash, hex);
	fprintf(out, "{\"bytes\":%llu,\"sha256\":\"%s\"", (unsigned long long)flow->bytes, hex);
	expected_print(&flow->expected, out);
	fputs("}\n", out);
}

const struct step flow_steps[] = {
	{ "listen", step_listen },
	{ "udp", step_udp },
	{ "accept", step_accept },
	{ "connect", step_connect },
	{ "send", step_send },
	{ "read", step_read },
	{ "waiting", step_waiting },
	{ "shutdown", step_shutdown },
	{ "expect", step_expect },
	{ "digest", step_digest },
	{ 0 },
};
