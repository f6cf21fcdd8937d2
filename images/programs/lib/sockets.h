/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP ends for IPv4 and IPv6, and the seeded stream both ends can compute. */
#ifndef TESTBED_SOCKETS_H
#define TESTBED_SOCKETS_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

/* CLOCK_MONOTONIC. */
double seconds_now(void);

struct address parse_address(const char *text, unsigned long long port);

unsigned int port_of(const struct sockaddr_storage *storage);

/* A TCP socket with SO_REUSEADDR. */
int listen_on(const struct address *address, int backlog);

/*
 * A TCP connection; a refused one is tried again until `deadline` (seconds_now()). `sndbuf`: SO_SNDBUF; 0 leaves it to
 * the kernel.
 */
int connect_until(const struct address *address, int sndbuf, double deadline);

/* SO_RCVBUF of a listening socket, for what it accepts; 0 leaves it to the kernel. */
void limit_receive_buffer(int fd, int bytes);

unsigned int peer_port(int fd);
unsigned int local_port(int fd);

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
void fill_random(uint64_t *state, uint64_t *words, size_t count);

/* A non-zero start for flow `flow` of a stream with seed `seed` (splitmix64's finalizer). */
uint64_t flow_state(uint64_t seed, unsigned int flow);

#endif
