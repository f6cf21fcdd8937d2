// SPDX-License-Identifier: GPL-2.0-only
/*
 * segment_burst IFNAME MAC SOURCE TARGET PORT --flows N [--segments N] [--bytes N]
 *
 * Sends TCP segments of connections that nobody has, from IPv4 address SOURCE to PORT of TARGET, which has MAC: of each
 * of N flows the first one, then of each the next one. They do not ask for an answer (no PSH), so a NIC that aggregates
 * (TPA) has all flows under way at once. Prints {"sent":N}.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/fail.h"

#define FIRST_PORT 40000
#define FLOWS_MAX 1024
#define SEGMENTS_MAX 64
#define BYTES_MAX 1460

struct segment {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
	unsigned char payload[BYTES_MAX];
} __attribute__((packed));

struct pseudo_header {
	uint32_t source, target;
	uint16_t protocol, length;
};

static uint32_t sum(const void *data, size_t bytes, uint32_t so_far)
{
	const unsigned char *byte = data;

	for (size_t i = 0; i < bytes; i++)
		so_far += i % 2 ? byte[i] : byte[i] << 8;
	return so_far;
}

static uint16_t checksum(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return htons(~total);
}

/* The segment with its flow's port and place in the stream; the rest of it stays. */
static void complete(struct segment *segment, unsigned int flow, unsigned int number, size_t bytes)
{
	struct pseudo_header pseudo = { segment->ip.saddr, segment->ip.daddr, htons(IPPROTO_TCP),
					htons(sizeof(segment->tcp) + bytes) };

	segment->tcp.source = htons(FIRST_PORT + flow);
	segment->tcp.seq = htonl(1 + number * bytes);
	segment->tcp.check = 0;
	segment->tcp.check = checksum(sum(&segment->tcp, sizeof(segment->tcp) + bytes,
					  sum(&pseudo, sizeof(pseudo), 0)));
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "flows", required_argument, NULL, 'f' },
						      { "segments", required_argument, NULL, 's' },
						      { "bytes", required_argument, NULL, 'b' },
						      { 0 } };
	static struct segment segment;
	unsigned long long flows = 0, segments = 2, bytes = 1000, port;
	struct sockaddr_ll where = { .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_IP) };
	struct in_addr source, target;
	struct ifreq interface = { 0 };
	struct ether_addr *to;
	int option, fd;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'f': flows = number_argument("--flows", optarg); break;
		case 's': segments = number_argument("--segments", optarg); break;
		case 'b': bytes = number_argument("--bytes", optarg); break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 5 || !flows || flows > FLOWS_MAX || !segments || segments > SEGMENTS_MAX || !bytes ||
	    bytes > BYTES_MAX) {
		fprintf(stderr, "usage: segment_burst IFNAME MAC SOURCE TARGET PORT --flows 1..%d [--segments 1..%d]"
			" [--bytes 1..%d]\n", FLOWS_MAX, SEGMENTS_MAX, BYTES_MAX);
		return USAGE_STATUS;
	}
	to = ether_aton(argv[optind + 1]);
	port = number_argument("PORT", argv[optind + 4]);
	if (!to || !inet_aton(argv[optind + 2], &source) || !inet_aton(argv[optind + 3], &target) || port > 65535)
		fail("'%s' is no MAC address, or an IPv4 address or the port is none", argv[optind + 1]);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail_errno("packet socket");
	strncpy(interface.ifr_name, argv[optind], IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFINDEX, &interface))
		fail_errno("interface '%s'", argv[optind]);
	where.sll_ifindex = interface.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &interface))
		fail_errno("address of '%s'", argv[optind]);
	memcpy(segment.ether.ether_dhost, to, ETH_ALEN);
	memcpy(segment.ether.ether_shost, interface.ifr_hwaddr.sa_data, ETH_ALEN);
	segment.ether.ether_type = htons(ETHERTYPE_IP);
	segment.ip = (struct iphdr){ .version = 4, .ihl = 5, .id = htons(1), .frag_off = htons(IP_DF), .ttl = 64,
				     .protocol = IPPROTO_TCP, .saddr = source.s_addr, .daddr = target.s_addr,
				     .tot_len = htons(sizeof(segment.ip) + sizeof(segment.tcp) + bytes) };
	segment.ip.check = checksum(sum(&segment.ip, sizeof(segment.ip), 0));
	segment.tcp = (struct tcphdr){ .dest = htons(port), .ack_seq = htonl(1), .doff = 5, .ack = 1,
				       .window = 0xffff };
	for (unsigned int number = 0; number < segments; number++) {
		for (unsigned int flow = 0; flow < flows; flow++) {
			size_t frame = sizeof(segment) - BYTES_MAX + bytes;

			complete(&segment, flow, number, bytes);
			if (sendto(fd, &segment, frame, 0, (struct sockaddr *)&where, sizeof(where)) != (ssize_t)frame)
				fail_errno("segment %u of flow %u", number, flow);
		}
	}
	printf("{\"sent\":%llu}\n", flows * segments);
	return 0;
}
