// SPDX-License-Identifier: GPL-2.0-only
/*
 * frame_burst IFNAME ADDRESS COUNT [--wait MS] [--bytes N]
 *
 * Sends COUNT frames of ethertype 0x88b5 and N bytes (64) to the MAC address ADDRESS in one go, waits until all have
 * come back or none has for MS milliseconds, and prints {"sent":COUNT,"returned":N,"short":N}: how many came back
 * whole, and how many with fewer bytes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/fail.h"

#define ETHERTYPE 0x88b5
#define FRAME_BYTES 64
#define FRAME_BYTES_MAX 9014
#define COUNT_MAX 1024

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "wait", required_argument, NULL, 'w' },
						      { "bytes", required_argument, NULL, 'b' },
						      { 0 } };
	static struct mmsghdr messages[COUNT_MAX];
	static unsigned char frame[FRAME_BYTES_MAX];
	struct iovec content = { .iov_base = frame, .iov_len = FRAME_BYTES };
	struct ifreq interface = { 0 };
	struct sockaddr_ll where = { .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE) };
	struct ether_header *header = (struct ether_header *)frame;
	unsigned long long count, wait_ms = 500, returned = 0, cut = 0;
	struct pollfd wait = { .events = POLLIN };
	struct ether_addr *to;
	int option, sent = 0;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'w': wait_ms = number_argument("--wait", optarg); break;
		case 'b': content.iov_len = number_argument("--bytes", optarg); break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 3) {
		fprintf(stderr, "usage: frame_burst IFNAME ADDRESS COUNT [--wait MS] [--bytes N]\n");
		return USAGE_STATUS;
	}
	if (content.iov_len < FRAME_BYTES || content.iov_len > FRAME_BYTES_MAX)
		fail("a frame has %d to %d bytes", FRAME_BYTES, FRAME_BYTES_MAX);
	to = ether_aton(argv[optind + 1]);
	count = number_argument("COUNT", argv[optind + 2]);
	if (!to || count < 1 || count > COUNT_MAX)
		fail("'%s' is no MAC address, or COUNT is not 1..%d", argv[optind + 1], COUNT_MAX);
	wait.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETHERTYPE));
	if (wait.fd < 0)
		fail_errno("packet socket");
	strncpy(interface.ifr_name, argv[optind], IFNAMSIZ - 1);
	if (ioctl(wait.fd, SIOCGIFINDEX, &interface))
		fail_errno("interface '%s'", argv[optind]);
	where.sll_ifindex = interface.ifr_ifindex;
	if (bind(wait.fd, (struct sockaddr *)&where, sizeof(where)))
		fail_errno("bind to '%s'", argv[optind]);
	if (ioctl(wait.fd, SIOCGIFHWADDR, &interface))
		fail_errno("address of '%s'", argv[optind]);
	memcpy(header->ether_dhost, to, ETH_ALEN);
	memcpy(header->ether_shost, interface.ifr_hwaddr.sa_data, ETH_ALEN);
	header->ether_type = htons(ETHERTYPE);
	for (unsigned int i = 0; i < count; i++) {
		messages[i].msg_hdr.msg_iov = &content;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent < (int)count) {
		int now = sendmmsg(wait.fd, messages + sent, count - sent, 0);

		if (now < 0)
			fail_errno("sendmmsg");
		sent += now;
	}
	while (returned + cut < count && poll(&wait, 1, wait_ms) == 1) {
		unsigned char back[FRAME_BYTES];
		struct sockaddr_ll from;
		socklen_t length = sizeof(from);
		ssize_t bytes = recvfrom(wait.fd, back, sizeof(back), MSG_TRUNC, (struct sockaddr *)&from, &length);

		if (bytes < 0)
			fail_errno("recv");
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		if ((size_t)bytes < content.iov_len)
			cut++;
		else
			returned++;
	}
	printf("{\"sent\":%d,\"returned\":%llu,\"short\":%llu}\n", sent, returned, cut);
	return 0;
}
