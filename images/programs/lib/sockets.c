// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/sockets.h"

#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#include "lib/fail.h"

double seconds_now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now))
		fail_errno("clock_gettime");
	return now.tv_sec + now.tv_nsec / 1e9;
}

struct address parse_address(const char *text, unsigned long long port)
{
	struct address address = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address.storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address.storage;

	if (port < 1 || port > 65535)
		fail("port %llu is outside 1..65535", port);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		address.length = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		address.length = sizeof(*v6);
	} else {
		fail("'%s' is neither an IPv4 nor an IPv6 address", text);
	}
	return address;
}

unsigned int port_of(const struct sockaddr_storage *storage)
{
	/* sin_port and sin6_port lie at the same place. */
	return ntohs(((const struct sockaddr_in *)storage)->sin_port);
}

int listen_on(const struct address *address, int backlog)
{
	int one = 1;
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail_errno("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		fail_errno("SO_REUSEADDR");
	if (bind(fd, (const struct sockaddr *)&address->storage, address->length))
		fail_errno("bind to port %u", port_of(&address->storage));
	if (listen(fd, backlog))
		fail_errno("listen");
	return fd;
}

int connect_until(const struct address *address, int sndbuf, double deadline)
{
	for (;;) {
		int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			fail_errno("socket");
		if (sndbuf && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)))
			fail_errno("SO_SNDBUF");
		if (!connect(fd, (const struct sockaddr *)&address->storage, address->length))
			return fd;
		if (errno != ECONNREFUSED || seconds_now() > deadline)
			fail_errno("connect to port %u", port_of(&address->storage));
		close(fd);
		usleep(20 * 1000);
	}
}

void limit_receive_buffer(int fd, int bytes)
{
	if (bytes && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)))
		fail_errno("SO_RCVBUF");
}

unsigned int peer_port(int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &length))
		fail_errno("getpeername");
	return port_of(&peer);
}

unsigned int local_port(int fd)
{
	struct sockaddr_storage local;
	socklen_t length = sizeof(local);

	if (getsockname(fd, (struct sockaddr *)&local, &length))
		fail_errno("getsockname");
	return port_of(&local);
}

void fill_random(uint64_t *state, uint64_t *words, size_t count)
{
	uint64_t x = *state;

	for (size_t i = 0; i < count; i++) {
		x ^= x >> 12;
		x ^= x << 25;
		x ^= x >> 27;
		words[i] = x * 0x2545f4914f6cdd1dULL;
	}
	*state = x;
}

uint64_t flow_state(uint64_t seed, unsigned int flow)
{
	uint64_t x = seed + (flow + 1) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return x ? x : 1;
}
