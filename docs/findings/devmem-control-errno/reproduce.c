// SPDX-License-Identifier: GPL-2.0-only
/*
 * devmem TCP: recvmsg(MSG_SOCK_DEVMEM) without room for a control message fails with errno 525, which user space does not
 * know.
 *
 * gcc -O2 reproduce.c -o reproduce -lmnl     Usage: reproduce [COMMAND OF THE OTHER END]
 * Exit: 0 bug absent, 1 the bug shows, 4 cannot tell. Needs root and /dev/udmabuf. COMMAND sends some bytes to TCP port 5201
 * of this machine's card; without one the testbed's network namespace "peer" does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/netdev.h>
#include <linux/sockios.h>
#include <linux/udmabuf.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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

static struct mnl_socket *netlink;
static uint16_t family = GENL_ID_CTRL;

struct answer {
	unsigned int wanted;
	int value;
};

static int take_attribute(const struct nlattr *attribute, void *data)
{
	struct answer *answer = data;

	if (mnl_attr_get_type(attribute) == answer->wanted)
		answer->value = mnl_attr_get_payload_len(attribute) == 2 ? mnl_attr_get_u16(attribute) :
									   mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static int take_message(const struct nlmsghdr *message, void *data)
{
	return mnl_attr_parse(message, sizeof(struct genlmsghdr), take_attribute, data);
}

static struct nlmsghdr *request(void *buffer, int command)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = family;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header->cmd = command;
	return message;
}

/* The answer's attribute `wanted` as a number, or -errno. */
static int ask(const struct nlmsghdr *message, unsigned int wanted)
{
	struct answer answer = { wanted, -ENOMSG };
	char buffer[8192] __attribute__((aligned(8)));
	int status = MNL_CB_OK;

	if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0)
		return -errno;
	while (status > MNL_CB_STOP) {
		ssize_t length = mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));

		status = mnl_cb_run(buffer, length, 0, 0, take_message, &answer);
	}
	return status < 0 ? -errno : answer.value;
}

/* Binds a dmabuf of 16 MiB, made of ordinary memory, to every receive queue. */
static void bind_dmabuf(void)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq interface = { .ifr_data = (void *)&channels };
	struct udmabuf_create create = { .memfd = memfd_create("area", MFD_ALLOW_SEALING), .size = 16 << 20 };
	char buffer[8192] __attribute__((aligned(8))), text[128];
	int dmabuf, status;
	struct nlmsghdr *message;

	snprintf(text, sizeof(text), "ethtool -G %s rx 64 tcp-data-split on hds-thresh 0", nic);
	if (system(text))
		skip("%s fails", text);
	if (ftruncate(create.memfd, create.size) || fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		skip("memfd: %s", strerror(errno));
	dmabuf = ioctl(open("/dev/udmabuf", O_RDWR), UDMABUF_CREATE, &create);
	if (dmabuf < 0)
		skip("/dev/udmabuf: %s", strerror(errno));
	netlink = mnl_socket_open(NETLINK_GENERIC);
	if (!netlink || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID))
		skip("netlink: %s", strerror(errno));
	message = request(buffer, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY_NAME);
	status = ask(message, CTRL_ATTR_FAMILY_ID);
	if (status < 0)
		skip("no netlink family " NETDEV_FAMILY_NAME);
	family = status;
	message = request(buffer, NETDEV_CMD_BIND_RX);
	mnl_attr_put_u32(message, NETDEV_A_DMABUF_IFINDEX, if_nametoindex(nic));
	mnl_attr_put_u32(message, NETDEV_A_DMABUF_FD, dmabuf);
	strcpy(interface.ifr_name, nic);
	if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCETHTOOL, &interface))
		skip("channels of %s: %s", nic, strerror(errno));
	for (unsigned int queue = 0; queue < channels.combined_count + channels.rx_count; queue++) {
		struct nlattr *nest = mnl_attr_nest_start(message, NETDEV_A_DMABUF_QUEUES);

		mnl_attr_put_u32(message, NETDEV_A_QUEUE_ID, queue);
		mnl_attr_put_u32(message, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
		mnl_attr_nest_end(message, nest);
	}
	status = ask(message, NETDEV_A_DMABUF_ID);
	if (status < 0)
		skip("the dmabuf cannot be bound to %s: %s", nic, strerror(-status));
}

static struct sockaddr_in own_address(void)
{
	struct ifreq interface = { .ifr_addr.sa_family = AF_INET };
	struct sockaddr_in address;

	strcpy(interface.ifr_name, nic);
	if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCGIFADDR, &interface))
		skip("%s has no address", nic);
	memcpy(&address, &interface.ifr_addr, sizeof(address));
	address.sin_port = htons(5201);
	return address;
}

static void send_from_peer(const struct sockaddr_in *address)
{
	int peer = open("/run/netns/peer", O_RDONLY), fd;

	if (setns(peer, CLONE_NEWNET))
		_exit(1);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!connect(fd, (const void *)address, sizeof(*address)) && write(fd, address, sizeof(*address)) > 0)
		pause();
	_exit(1);
}

int main(int argc, char **argv)
{
	struct timeval patience = { .tv_sec = 20 };
	struct sockaddr_in address;
	char data[4096];
	struct iovec vector = { data, sizeof(data) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;
	pid_t child;

	find_nic();
	address = own_address();
	bind_dmabuf();
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (bind(listener, (void *)&address, sizeof(address)) || listen(listener, 1))
		skip("port 5201: %s", strerror(errno));
	child = fork();
	if (!child && argc > 1)
		_exit(system(argv[1]));
	if (!child)
		send_from_peer(&address);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		skip("nothing comes to port 5201: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	one = recvmsg(fd, &message, MSG_SOCK_DEVMEM);
	kill(child, SIGTERM);
	if (one >= 0)
		skip("%d bytes came, not by the dmabuf", one);
	printf("recvmsg: errno %d\n", errno);
	if (errno == EAGAIN)
		skip("nothing came");
	if (errno > 511) {
		puts("SHOWN: a number that belongs to the kernel");
		return 1;
	}
	puts("absent: a number that user space knows");
	return 0;
}
