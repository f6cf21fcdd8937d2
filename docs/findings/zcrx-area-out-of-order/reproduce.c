// SPDX-License-Identifier: GPL-2.0-only
/*
 * zcrx: packets that wait out of order take every buffer of the area; the lost packet before them finds none, however often
 * it is sent again, and the stream stands.
 *
 * gcc -O2 reproduce.c -o reproduce -luring     Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
 * Needs root, liburing 2.10, and a network namespace "peer" with the other end of the wire: its socket sends one byte, and
 * a raw socket the bytes after it, before. Leaves the card with a small ring.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <ifaddrs.h>
#include <liburing.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define AREA_BYTES (2 << 20)
#define BUFFERS (AREA_BYTES / 4096)
#define REFILL_BYTES (64 << 10)

static struct io_uring ring;
static unsigned char *area;
static unsigned int zcrx_id;

static void __attribute__((noreturn, format(printf, 1, 2))) skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("SKIP: ", stdout);
	vprintf(format, arguments);
	puts("");
	exit(4);
}

static char device[32], nic[32];

/* The first card of bnxt_en: its PCI address, its interface. */
static void find_nic(void)
{
	glob_t found;

	if (glob("/sys/bus/pci/drivers/bnxt_en/*/net/*", 0, NULL, &found) ||
	    sscanf(found.gl_pathv[0], "/sys/bus/pci/drivers/bnxt_en/%31[^/]/net/%31s", device, nic) != 2)
		skip("no interface of bnxt_en");
	if (geteuid())
		skip("must be root");
}

/* Registers queue `queue` for zero-copy receive into `area`. Returns the io_uring status. */
static int register_queue(unsigned int queue)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQE32 |
			 IORING_SETUP_CQSIZE,
		.cq_entries = 4096,
	};
	struct io_uring_region_desc region = { .size = REFILL_BYTES, .flags = IORING_MEM_REGION_TYPE_USER };
	struct io_uring_zcrx_area_reg area_reg = { .addr = (uintptr_t)area, .len = AREA_BYTES };
	struct io_uring_zcrx_ifq_reg ifq = {
		.if_idx = if_nametoindex(nic), .if_rxq = queue, .rq_entries = AREA_BYTES / 4096,
		.area_ptr = (uintptr_t)&area_reg, .region_ptr = (uintptr_t)&region,
	};
	int status = io_uring_queue_init_params(64, &ring, &params);

	if (status)
		skip("io_uring_setup: %s", strerror(-status));
	region.user_addr = (uintptr_t)mmap(NULL, REFILL_BYTES, PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	status = io_uring_register_ifq(&ring, &ifq);
	zcrx_id = ifq.zcrx_id;
	return status;
}

/* One byte of the stream `length` bytes behind its begin, in a packet of its own. */
static void forge(int raw, const struct sockaddr_in *from, const struct sockaddr_in *to, uint32_t seq, uint32_t ack)
{
	struct {
		uint32_t from, to;
		uint8_t zero, protocol;
		uint16_t length;
		struct tcphdr tcp;
		uint8_t data, pad;
	} __attribute__((packed)) packet = {
		from->sin_addr.s_addr, to->sin_addr.s_addr, 0, IPPROTO_TCP, htons(sizeof(struct tcphdr) + 1),
		{ .source = from->sin_port, .dest = to->sin_port, .seq = htonl(seq), .ack_seq = htonl(ack),
		  .doff = 5, .ack = 1, .window = htons(1000) }, 'x', 0,
	};
	const uint8_t *bytes = (void *)&packet;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(packet); i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	packet.tcp.check = htons(~sum);
	sendto(raw, &packet.tcp, sizeof(struct tcphdr) + 1, 0, (const void *)to, sizeof(*to));
}

/* The other end: connects, sends bytes 1 to 2 * BUFFERS, then, by its socket, byte 0. */
static void send_from_peer(const struct sockaddr_in *to)
{
	int on = 1, off = TCP_REPAIR_OFF_NO_WP, raw, fd, queue = TCP_SEND_QUEUE;
	struct sockaddr_in from;
	socklen_t length = sizeof(from), size = sizeof(uint32_t);
	uint32_t seq, ack;

	if (setns(open("/run/netns/peer", O_RDONLY), CLONE_NEWNET))
		_exit(1);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	raw = socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
	if (connect(fd, (const void *)to, sizeof(*to)) || getsockname(fd, (void *)&from, &length) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) ||
	    getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &size))
		_exit(1);
	queue = TCP_RECV_QUEUE;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) ||
	    getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &ack, &size) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)))
		_exit(1);
	for (uint32_t i = 1; i <= 2 * BUFFERS; i++) {
		forge(raw, &from, to, seq + i, ack);
		usleep(i % 16 ? 0 : 5000);
	}
	sleep(1);
	if (write(fd, "x", 1) == 1)
		pause();
	_exit(1);
}

static int readable(int fd)
{
	int bytes = 0;

	ioctl(fd, SIOCINQ, &bytes);
	return bytes;
}

int main(void)
{
	struct ifreq interface = { .ifr_addr.sa_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, 0), room = 16 << 20, one = 1, status, fd, waited = 0;
	struct timeval patience = { .tv_sec = 20 };
	struct sockaddr_in address;
	char command[256];
	pid_t child;

	find_nic();
	strcpy(interface.ifr_name, nic);
	if (ioctl(listener, SIOCGIFADDR, &interface))
		skip("%s has no address", nic);
	memcpy(&address, &interface.ifr_addr, sizeof(address));
	address.sin_port = htons(5201);
	snprintf(command, sizeof(command),
		 "ethtool -K %s rx-gro-hw off; ethtool -G %s rx 64 tcp-data-split on hds-thresh 0 && "
		 "ethtool -X %s equal 1", nic, nic, nic);
	if (system(command))
		skip("%s fails", command);
	area = mmap(NULL, AREA_BYTES, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	status = register_queue(0);
	if (status)
		skip("queue 0 of %s cannot be registered: %s", nic, strerror(-status));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (bind(listener, (void *)&address, sizeof(address)) || listen(listener, 1))
		skip("port 5201: %s", strerror(errno));
	io_uring_ring_dontfork(&ring);
	child = fork();
	if (!child)
		send_from_peer(&address);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		skip("nobody connects: %s", strerror(errno));
	for (; waited < 30 && !readable(fd); waited++)
		sleep(1);
	printf("%d bytes can be read after %d s, area %u\n", readable(fd), waited, zcrx_id);
	system("ss -tinm sport 5201");
	status = readable(fd);
	kill(child, SIGTERM);
	if (status > 1) {
		puts("absent: the late byte has come, and those behind it with it");
		return 0;
	}
	if (status == 1)
		skip("the byte came alone: the others were lost");
	printf("SHOWN: the late byte is sent again and again, and finds no buffer of %d\n", BUFFERS);
	return 1;
}
