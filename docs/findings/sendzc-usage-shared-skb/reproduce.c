// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring: SEND_ZC with IORING_SEND_ZC_REPORT_USAGE says "copied" of a send that joined the sk_buff of an earlier one,
 * though nothing was copied.
 *
 * gcc -O2 reproduce.c -o reproduce -luring     Usage: reproduce [ADDRESS PORT]
 * Exit: 0 bug absent, 1 the bug shows, 4 cannot tell. Needs no privilege with ADDRESS and PORT of a TCP listener behind a
 * network card that gathers (on the loopback interface everything is copied). Without them the testbed's network namespace
 * "peer" listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <liburing.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SENDS 8
#define BYTES 64

static void __attribute__((noreturn, format(printf, 1, 2))) skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("SKIP: ", stdout);
	vprintf(format, arguments);
	puts("");
	exit(4);
}

/* Listens on an address of the network namespace "peer", and says which. */
static struct sockaddr_in listen_in_peer(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int channel[2];

	if (pipe(channel))
		skip("pipe: %s", strerror(errno));
	if (!fork()) {
		socklen_t length = sizeof(address);
		int listener;
		struct ifaddrs *all;

		if (setns(open("/run/netns/peer", O_RDONLY), CLONE_NEWNET) || getifaddrs(&all))
			_exit(1);
		listener = socket(AF_INET, SOCK_STREAM, 0);
		if (bind(listener, (void *)&address, sizeof(address)) || listen(listener, 1) ||
		    getsockname(listener, (void *)&address, &length))
			_exit(1);
		for (; all; all = all->ifa_next)
			if (all->ifa_addr && all->ifa_addr->sa_family == AF_INET && strcmp(all->ifa_name, "lo"))
				address.sin_addr = ((struct sockaddr_in *)all->ifa_addr)->sin_addr;
		if (write(channel[1], &address, sizeof(address)) < 0)
			_exit(1);
		alarm(60);
		pause();
	}
	close(channel[1]);
	if (read(channel[0], &address, sizeof(address)) != sizeof(address))
		skip("no network namespace \"peer\": give ADDRESS and PORT");
	return address;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	static char data[SENDS][BYTES];
	int fd = socket(AF_INET, SOCK_STREAM, 0), cork = 1, copied = 0, status;
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	if (argc > 2) {
		inet_pton(AF_INET, argv[1], &address.sin_addr);
		address.sin_port = htons(atoi(argv[2]));
	} else {
		address = listen_in_peer();
	}
	if (connect(fd, (void *)&address, sizeof(address)))
		skip("connect: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &cork, sizeof(cork)); /* until all are in one sk_buff */
	status = io_uring_queue_init(2 * SENDS, &ring, 0);
	if (status)
		skip("io_uring_setup: %s", strerror(-status));
	for (int i = 0; i < SENDS; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		io_uring_prep_send_zc(sqe, fd, data[i], BYTES, 0, IORING_SEND_ZC_REPORT_USAGE);
		sqe->user_data = i;
	}
	io_uring_submit(&ring);
	cork = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &cork, sizeof(cork));
	for (int left = 2 * SENDS; left; left--) {
		struct __kernel_timespec patience = { .tv_sec = 20 };
		__u64 user;

		if (io_uring_wait_cqe_timeout(&ring, &cqe, &patience))
			skip("%d completions did not come", left);
		user = cqe->user_data;
		if (cqe->flags & IORING_CQE_F_NOTIF) {
			if (cqe->res & IORING_NOTIF_USAGE_ZC_COPIED) {
				printf("send %llu: copied\n", (unsigned long long)user);
				copied++;
			}
		} else if (cqe->res != BYTES) {
			skip("send %llu: %d", (unsigned long long)user, cqe->res);
		}
		io_uring_cqe_seen(&ring, cqe);
	}
	if (copied == SENDS)
		skip("every send was copied: the way to the other end does not gather");
	if (copied) {
		printf("SHOWN: %d of %d sends of one sk_buff are said to be copied\n", copied, SENDS);
		return 1;
	}
	puts("absent: no send is said to be copied");
	return 0;
}
