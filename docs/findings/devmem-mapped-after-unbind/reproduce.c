// SPDX-License-Identifier: GPL-2.0-only
/*
 * devmem TCP: a dmabuf is bound to the receive queues of a card, and the driver lets go of the card: the dmabuf stays
 * attached to, and mapped for, a device without driver until the netlink socket is closed.
 *
 * gcc -O2 reproduce.c -o reproduce -lmnl     Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
 * Needs root, /dev/udmabuf and debugfs.
 */
#define _GNU_SOURCE
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
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
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

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		skip("%s: %s", path, strerror(errno));
	close(fd);
}

/* Whether a dmabuf is attached to the device. */
static bool attached(void)
{
	FILE *buffers = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[512];
	bool found = false;

	if (!buffers)
		skip("no /sys/kernel/debug/dma_buf/bufinfo");
	while (fgets(line, sizeof(line), buffers)) {
		line[strcspn(line, "\n")] = '\0';
		found |= *line == '\t' && !strcmp(line + 1, device);
	}
	fclose(buffers);
	return found;
}

int main(void)
{
	bool kept;

	find_nic();
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL); /* unless it is there */
	bind_dmabuf();
	if (!attached())
		skip("the bound dmabuf is not listed as attached");
	write_to("/sys/bus/pci/drivers/bnxt_en/unbind", device);
	sleep(1);
	kept = attached();
	mnl_socket_close(netlink);
	sleep(1);
	write_to("/sys/bus/pci/drivers/bnxt_en/bind", device);
	if (kept) {
		printf("SHOWN: %s has no driver, and a dmabuf is mapped for it\n", device);
		return 1;
	}
	puts("absent: the dmabuf went with the driver");
	return 0;
}
