// SPDX-License-Identifier: GPL-2.0-only
/*
 * frame_watch IFNAME MAC
 *
 * Counts what is on a wire beside two ends that count each other's frames, until SIGTERM, and prints one JSON line:
 *
 *   foreign  frames received whose source is not MAC, the other end's: a switch's, a router's, another machine's
 *   kept     frames sent to 01-80-C2-00-00-0X (LLDP and the like), which no bridge forwards
 *
 * The sockets are never read: the kernel counts what their filters let through.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fail.h"

#define PACKET_TYPE (SKF_AD_OFF + SKF_AD_PKTTYPE)
#define RET(value) BPF_STMT(BPF_RET | BPF_K, value)
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define LOAD_HALF(offset) BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offset)
#define IF_EQUAL(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise)

static int count_frames(unsigned int interface, struct sock_filter *filter, unsigned short length)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = interface };
	struct sock_fprog program = { .len = length, .filter = filter };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: nothing comes before the filter is there */

	if (fd < 0)
		fail_errno("packet socket");
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		fail_errno("filter");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		fail_errno("bind");
	return fd;
}

static unsigned int counted(int fd)
{
	struct tpacket_stats stats;
	socklen_t length = sizeof(stats);

	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length))
		fail_errno("PACKET_STATISTICS");
	return stats.tp_packets;
}

int main(int argc, char **argv)
{
	unsigned int mac[6], interface;
	sigset_t end;
	int foreign, kept, signal_number;

	if (argc != 3 || sscanf(argv[2], "%2x:%2x:%2x:%2x:%2x:%2x", mac, mac + 1, mac + 2, mac + 3, mac + 4,
				mac + 5) != 6) {
		fprintf(stderr, "usage: frame_watch IFNAME MAC\n");
		return USAGE_STATUS;
	}
	interface = if_nametoindex(argv[1]);
	if (!interface)
		fail_errno("%s", argv[1]);
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);

	struct sock_filter from_others[] = {
		LOAD(PACKET_TYPE), IF_EQUAL(PACKET_OUTGOING, 4, 0),
		LOAD(6), IF_EQUAL(mac[0] << 24 | mac[1] << 16 | mac[2] << 8 | mac[3], 0, 3),
		LOAD_HALF(10), IF_EQUAL(mac[4] << 8 | mac[5], 0, 1),
		RET(0), RET(1),
	};
	struct sock_filter link_local[] = {
		LOAD(PACKET_TYPE), IF_EQUAL(PACKET_OUTGOING, 0, 6),
		LOAD(0), IF_EQUAL(0x0180c200, 0, 4),
		LOAD_HALF(4), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff0), IF_EQUAL(0, 0, 1),
		RET(1), RET(0),
	};
	foreign = count_frames(interface, from_others, sizeof(from_others) / sizeof(*from_others));
	kept = count_frames(interface, link_local, sizeof(link_local) / sizeof(*link_local));
	if (sigwait(&end, &signal_number))
		fail("sigwait");
	printf("{\"foreign\":%u,\"kept\":%u}\n", counted(foreign), counted(kept));
	return 0;
}
