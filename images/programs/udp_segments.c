// SPDX-License-Identifier: GPL-2.0-only
/*
 * udp_segments send ADDRESS PORT [--messages N] [--seed S] [--timeout S]
 * udp_segments receive ADDRESS PORT [--seed S] [--timeout S]
 *
 * UDP that the kernel or the card cuts into segments (UDP_SEGMENT). `send` draws for each message its segments' size,
 * how many there are and whether the kernel copies it (MSG_ZEROCOPY: it then waits until the pages are its own again,
 * for sixteen messages at once). A segment begins with the message's number and its own, the rest is drawn from them
 * and the seed. Both ends print one JSON line; what is sent while the interface is down counts as refused:
 *
 *   {"segments":N,"bytes":B,"refused":M,"kept":K}		K: messages whose pages did not come back
 *   {"segments":N,"bytes":B,"wrong":W}				W: segments with other bytes than these
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* behind <time.h> */

#include "lib/fail.h"
#include "lib/sockets.h"

#define MOST_SEGMENTS 64 /* of a message: tso_max_segs of a card whose driver cuts */
#define MOST_SEGMENT 1400
#define MOST_BYTES 65000 /* of a message: UDP's length has 16 bits */
#define IN_FLIGHT 16
#define RECEIVE_BUFFER (16 << 20)
#define FIRST_MESSAGE (UINT32_MAX - 1) /* which the receiver sends back */
#define LAST_MESSAGE UINT32_MAX
#define BACK_AGAIN_S 10.0

struct head {
	uint32_t message, segment;
};

static union {
	uint64_t words[(MOST_BYTES + MOST_SEGMENT) / 8 + 1];
	unsigned char bytes[MOST_BYTES + MOST_SEGMENT];
} buffers[IN_FLIGHT];

static uint64_t draw(uint64_t *state, uint64_t least, uint64_t most)
{
	uint64_t word;

	fill_random(state, &word, 1);
	return least + word % (most - least + 1);
}

static void fill_segment(unsigned char *to, uint64_t seed, uint32_t message, uint32_t segment, size_t bytes)
{
	static uint64_t words[MOST_SEGMENT / 8 + 1];
	uint64_t state = flow_state(seed + ((uint64_t)message << 32), segment);

	fill_random(&state, words, sizeof(words) / sizeof(*words));
	memcpy(to, words, bytes);
	memcpy(to, &(struct head){ message, segment }, sizeof(struct head));
}

static bool send_one(int fd, unsigned char *from, size_t bytes, uint16_t size, int flags)
{
	union {
		char room[CMSG_SPACE(sizeof(size))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec part = { from, bytes };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *said = CMSG_FIRSTHDR(&message);

	*said = (struct cmsghdr){ CMSG_LEN(sizeof(size)), SOL_UDP, UDP_SEGMENT };
	memcpy(CMSG_DATA(said), &size, sizeof(size));
	return sendmsg(fd, &message, flags) == (ssize_t)bytes;
}

/* How many of `wanted` messages have their pages back, in time. */
static uint32_t await_pages(int fd, uint32_t wanted)
{
	double deadline = seconds_now() + BACK_AGAIN_S;
	uint32_t back = 0;

	while (back < wanted && seconds_now() < deadline) {
		char control[512];
		struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
		struct pollfd wait = { .fd = fd };

		if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0) {
			int error;
			socklen_t length = sizeof(error);

			/* An error of the socket itself would end each poll() at once: reading it clears it. */
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
			poll(&wait, 1, 100);
			continue;
		}
		for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
			struct sock_extended_err said;

			memcpy(&said, CMSG_DATA(one), sizeof(said));
			if (said.ee_origin == SO_EE_ORIGIN_ZEROCOPY)
				back += said.ee_data - said.ee_info + 1;
		}
	}
	return back;
}

/* The receiver may be started at the same time. */
static void await_receiver(int fd, unsigned long long timeout)
{
	double deadline = seconds_now() + timeout;
	struct head hello = { FIRST_MESSAGE, 0 };
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	for (;;) {
		if (seconds_now() > deadline)
			fail("nobody answers in %llu s", timeout);
		send(fd, &hello, sizeof(hello), 0);
		if (poll(&wait, 1, 50) == 1 && recv(fd, &hello, sizeof(hello), 0) == sizeof(hello))
			return;
		usleep(50 * 1000);
	}
}

static int send_all(const struct address *address, unsigned long long messages, uint64_t seed,
		    unsigned long long timeout)
{
	int fd = socket(address->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
	unsigned long long segments = 0, bytes = 0, refused = 0, kept = 0;
	uint64_t state = flow_state(seed, 0);
	uint32_t lent = 0;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address->storage, address->length))
		fail_errno("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		fail_errno("SO_ZEROCOPY");
	await_receiver(fd, timeout);
	for (uint32_t number = 0; number < messages; number++) {
		unsigned char *to = buffers[number % IN_FLIGHT].bytes;
		uint16_t size = draw(&state, sizeof(struct head), MOST_SEGMENT);
		uint32_t most = MOST_BYTES / size < MOST_SEGMENTS ? MOST_BYTES / size : MOST_SEGMENTS;
		uint32_t count = draw(&state, 2, most);
		size_t last = draw(&state, sizeof(struct head), size), length = (count - 1) * size + last;
		int flags = draw(&state, 0, 1) ? MSG_ZEROCOPY : 0;

		for (uint32_t segment = 0; segment < count; segment++)
			fill_segment(to + segment * size, seed, number, segment, segment + 1 < count ? size : last);
		if (send_one(fd, to, length, size, flags)) {
			segments += count;
			bytes += length;
			lent += flags == MSG_ZEROCOPY;
		} else {
			refused++;
		}
		if (number % IN_FLIGHT == IN_FLIGHT - 1 || number + 1 == messages) {
			kept += lent - await_pages(fd, lent);
			lent = 0;
		}
	}
	for (int again = 0; again < 5; again++) {
		struct head end = { LAST_MESSAGE, again };

		usleep(50 * 1000);
		send(fd, &end, sizeof(end), 0);
	}
	printf("{\"segments\":%llu,\"bytes\":%llu,\"refused\":%llu,\"kept\":%llu}\n", segments, bytes, refused, kept);
	return 0;
}

static int receive_all(const struct address *address, uint64_t seed, unsigned long long timeout)
{
	static unsigned char came[MOST_SEGMENT + 1], wanted[MOST_SEGMENT + 8];
	int fd = socket(address->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = RECEIVE_BUFFER;
	unsigned long long segments = 0, bytes = 0, wrong = 0;
	double deadline = seconds_now() + timeout;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address->storage, address->length))
		fail_errno("bind");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		fail_errno("SO_RCVBUFFORCE");
	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		struct address from = { .length = sizeof(from.storage) };
		struct head head = { 0 };
		ssize_t count;

		if (seconds_now() > deadline)
			fail("the sender has not ended in %llu s; %llu segments came", timeout, segments);
		if (poll(&wait, 1, 100) < 1)
			continue;
		count = recvfrom(fd, came, sizeof(came), 0, (struct sockaddr *)&from.storage, &from.length);
		if (count < 0)
			continue;
		memcpy(&head, came, (size_t)count < sizeof(head) ? (size_t)count : sizeof(head));
		if (head.message == LAST_MESSAGE)
			break;
		if (head.message == FIRST_MESSAGE) {
			sendto(fd, came, count, 0, (const struct sockaddr *)&from.storage, from.length);
			continue;
		}
		segments++;
		bytes += count;
		if (count < (ssize_t)sizeof(head) || count > MOST_SEGMENT) {
			wrong++;
			continue;
		}
		fill_segment(wanted, seed, head.message, head.segment, count);
		wrong += memcmp(came, wanted, count) != 0;
	}
	printf("{\"segments\":%llu,\"bytes\":%llu,\"wrong\":%llu}\n", segments, bytes, wrong);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "messages", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 't' },
		{ 0 },
	};
	unsigned long long messages = 64, seed = 1, timeout = 60;
	struct address address;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'm': messages = number_argument("--messages", optarg); break;
		case 's': seed = number_argument("--seed", optarg); break;
		case 't': timeout = number_argument("--timeout", optarg); break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 3 || messages < 1 || messages >= FIRST_MESSAGE) {
		fprintf(stderr, "usage: udp_segments send|receive ADDRESS PORT [--messages N] [--seed S] "
				"[--timeout S]\n");
		return USAGE_STATUS;
	}
	address = parse_address(argv[optind + 1], number_argument("PORT", argv[optind + 2]));
	if (!strcmp(argv[optind], "send"))
		return send_all(&address, messages, seed, timeout);
	if (!strcmp(argv[optind], "receive"))
		return receive_all(&address, seed, timeout);
	fprintf(stderr, "udp_segments: send or receive, not %s\n", argv[optind]);
	return USAGE_STATUS;
}
