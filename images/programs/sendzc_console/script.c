// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "sendzc_console/script.h"

#include <sys/socket.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/sockets.h"

double deadline;
char *words[MOST_WORDS];
unsigned int word_count;

static int sockets[MOST], listener = -1;

unsigned long long number(unsigned int position)
{
	if (position >= word_count)
		fail("%s: argument %u is missing", words[0], position);
	return number_argument(words[0], words[position]);
}

unsigned int place(unsigned int position)
{
	unsigned long long value = number(position);

	if (value >= MOST)
		fail("%s: %llu is not below %d", words[0], value, MOST);
	return value;
}

int *socket_at(unsigned int position)
{
	return &sockets[place(position)];
}

void answer(int error)
{
	printf("{\"do\":\"%s\",\"error\":", words[0]);
	if (error)
		printf("\"%s\"", error_name(error));
	else
		printf("null");
}

void answer_hash(int error, unsigned long long bytes, struct sha256 *hash)
{
	char hex[SHA256_HEX];

	sha256_end(hash, hex);
	answer(error);
	printf(",\"bytes\":%llu,\"sha256\":\"%s\"", bytes, hex);
}

void fill(unsigned char *start, size_t bytes, uint64_t seed)
{
	uint64_t state = flow_state(seed, 0), word;

	for (; bytes >= sizeof(word); start += sizeof(word), bytes -= sizeof(word)) {
		fill_random(&state, &word, 1);
		memcpy(start, &word, sizeof(word));
	}
	fill_random(&state, &word, 1);
	memcpy(start, &word, bytes);
}

static void connect_to(void)
{
	struct address address = parse_address(words[2], number(3));

	*socket_at(1) = connect_until(&address, word_count > 4 ? number(4) : 0, deadline);
}

static void listen_at(void)
{
	struct address address = parse_address(words[1], number(2));

	listener = listen_on(&address, MOST);
	limit_receive_buffer(listener, word_count > 3 ? number(3) : 0);
}

/* Reads `most` bytes, or fewer if the stream ends before. */
static void read_stream(int fd, unsigned long long most)
{
	static unsigned char buffer[64 * 1024];
	unsigned long long bytes = 0;
	struct sha256 hash;
	ssize_t count = 1;

	sha256_begin(&hash);
	while (bytes < most && count > 0) {
		count = recv(fd, buffer, most - bytes < sizeof(buffer) ? most - bytes : sizeof(buffer), 0);
		if (count <= 0)
			break;
		sha256_add(&hash, buffer, count);
		bytes += count;
	}
	answer_hash(count < 0 ? errno : 0, bytes, &hash);
}

/* Writes until the socket takes no more. */
static void stuff(int fd)
{
	static unsigned char buffer[4096];
	unsigned long long bytes = 0;
	struct sha256 hash;
	ssize_t count;

	sha256_begin(&hash);
	for (;;) {
		fill(buffer, sizeof(buffer), bytes);
		count = send(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (count <= 0)
			break;
		sha256_add(&hash, buffer, count);
		bytes += count;
	}
	answer_hash(errno == EAGAIN ? 0 : errno, bytes, &hash);
}

/* One byte to the other end, or from it. */
static int turn(int fd, bool tell)
{
	char byte = '.';
	ssize_t count = tell ? send(fd, &byte, 1, MSG_NOSIGNAL) : recv(fd, &byte, 1, 0);

	return count < 0 ? errno : count ? 0 : ENODATA;
}

static int close_socket(int *fd, bool reset)
{
	struct linger linger = { .l_onoff = 1 };

	if (reset && setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)))
		fail_errno("SO_LINGER");
	return close(*fd) ? errno : 0;
}

bool step_is(const char *name)
{
	return !strcmp(words[0], name);
}

bool network_step(void)
{
	if (step_is("listen"))
		listen_at(), answer(0);
	else if (step_is("accept"))
		answer((*socket_at(1) = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0 ? errno : 0);
	else if (step_is("connect"))
		connect_to(), answer(0);
	else if (step_is("read"))
		read_stream(*socket_at(1), number(2));
	else if (step_is("drain"))
		read_stream(*socket_at(1), -1ULL);
	else if (step_is("tell") || step_is("await"))
		answer(turn(*socket_at(1), step_is("tell")));
	else if (step_is("stuff"))
		stuff(*socket_at(1));
	else if (step_is("shutdown"))
		answer(shutdown(*socket_at(1), SHUT_WR) ? errno : 0);
	else if (step_is("close") || step_is("reset"))
		answer(close_socket(socket_at(1), step_is("reset")));
	else
		return false;
	return true;
}
