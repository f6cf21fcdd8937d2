// SPDX-License-Identifier: GPL-2.0-only
/*
 * ptp_echo IFNAME ADDRESS [--filter NUMBER] [--timeout S]
 *
 * Sends PTP messages (Sync, version 2) from and to UDP port 319 to the IPv4 address ADDRESS, which sends them back,
 * until one of them has a hardware timestamp of IFNAME both as sent and as returned, and prints
 *
 *   {"sequence":N,"sent_ns":NS,"received_ns":NS}
 *
 * with 0 for one that did not come in time. NUMBER is an HWTSTAMP_FILTER_* (12: PTP version 2); IFNAME has it, and
 * stamps what it sends, while the program runs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/sockets.h"

#define PTP_EVENT_PORT 319
#define VERSION_AT 1
#define LENGTH_AT 3
#define SEQUENCE_AT 30
#define MESSAGE_BYTES 44
#define WAIT_MS 300

static void stamp_frames(int fd, const char *ifname, int sent, int filter)
{
	struct hwtstamp_config config = { .tx_type = sent, .rx_filter = filter };
	struct ifreq request = { .ifr_data = (char *)&config };

	strncpy(request.ifr_name, ifname, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCSHWTSTAMP, &request))
		fail_errno("SIOCSHWTSTAMP of '%s'", ifname);
}

/* One message off the socket or its error queue. Returns its hardware timestamp, 0 without one, -1 if none came. */
static long long take(int fd, int flags, unsigned int *sequence)
{
	char control[512];
	unsigned char data[256];
	struct iovec content = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr message = { .msg_iov = &content, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t bytes = recvmsg(fd, &message, flags | MSG_DONTWAIT);
	long long found = 0;

	if (bytes < 0)
		return -1;
	if (bytes >= MESSAGE_BYTES) /* an error queue shows the headers, too: what we sent is at the end */
		*sequence = data[bytes - MESSAGE_BYTES + SEQUENCE_AT] << 8 |
			    data[bytes - MESSAGE_BYTES + SEQUENCE_AT + 1];
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPING) {
			struct timespec *raw = &((struct scm_timestamping *)CMSG_DATA(part))->ts[2];

			found = raw->tv_sec * 1000000000LL + raw->tv_nsec;
		}
	}
	return found;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "filter", required_argument, NULL, 'f' },
						      { "timeout", required_argument, NULL, 't' },
						      { 0 } };
	int stamps = SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
	unsigned char message[MESSAGE_BYTES] = { [VERSION_AT] = 2, [LENGTH_AT] = MESSAGE_BYTES };
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PTP_EVENT_PORT) }, there = here;
	unsigned long long filter = HWTSTAMP_FILTER_PTP_V2_EVENT, timeout = 20;
	long long sent = 0, received = 0;
	struct pollfd wait = { .events = POLLIN };
	unsigned int sequence = 0;
	double deadline;
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'f': filter = number_argument("--filter", optarg); break;
		case 't': timeout = number_argument("--timeout", optarg); break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: ptp_echo IFNAME ADDRESS [--filter NUMBER] [--timeout S]\n");
		return USAGE_STATUS;
	}
	if (inet_pton(AF_INET, argv[optind + 1], &there.sin_addr) != 1)
		fail("'%s' is no IPv4 address", argv[optind + 1]);
	wait.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (wait.fd < 0 || bind(wait.fd, (struct sockaddr *)&here, sizeof(here)))
		fail_errno("port %d", PTP_EVENT_PORT);
	if (setsockopt(wait.fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps)))
		fail_errno("SO_TIMESTAMPING");
	stamp_frames(wait.fd, argv[optind], HWTSTAMP_TX_ON, filter);
	deadline = seconds_now() + timeout;
	while ((!sent || !received) && seconds_now() < deadline) {
		double until = seconds_now() + WAIT_MS / 1000.0;
		unsigned int of = 0;

		sent = received = 0;
		sequence++;
		message[SEQUENCE_AT] = sequence >> 8;
		message[SEQUENCE_AT + 1] = sequence;
		if (sendto(wait.fd, message, sizeof(message), 0, (struct sockaddr *)&there, sizeof(there)) < 0 &&
		    errno != ECONNREFUSED) /* nobody was there when the last one came */
			fail_errno("sendto");
		while ((!sent || !received) && seconds_now() < until && poll(&wait, 1, WAIT_MS) >= 0) {
			long long time = take(wait.fd, MSG_ERRQUEUE, &of);

			if (time > 0 && of == (sequence & 0xffff))
				sent = time;
			time = take(wait.fd, 0, &of);
			if (time > 0 && of == (sequence & 0xffff))
				received = time;
		}
	}
	stamp_frames(wait.fd, argv[optind], HWTSTAMP_TX_OFF, HWTSTAMP_FILTER_NONE);
	printf("{\"sequence\":%u,\"sent_ns\":%lld,\"received_ns\":%lld}\n", sequence, sent, received);
	return 0;
}
