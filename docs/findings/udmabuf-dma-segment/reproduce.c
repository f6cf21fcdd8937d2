// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dmabuf of neighbouring pages (udmabuf) is mapped for a card of bnxt_en in segments that are longer than the 64 KiB it
 * claims to support.
 *
 * gcc -O2 reproduce.c -o reproduce -lmnl     Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
 * Needs root, /dev/udmabuf and CONFIG_DMA_API_DEBUG_SG. Whether pages are neighbours is up to the page allocator.
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

/* Prints what the kernel has said since `log` was opened that has one of the words; how many lines those are. */
static int complaints(int log)
{
	static const char *const words[] = { "mapping sg segment longer" };
	char line[8192];
	ssize_t length;
	int count = 0;

	while ((length = read(log, line, sizeof(line) - 1)) > 0) {
		line[length] = '\0';
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			if (strstr(line, words[i])) {
				fputs(strchr(line, ';') + 1, stdout);
				count++;
				break;
			}
		}
	}
	return count;
}

int main(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	find_nic();
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL); /* unless it is there */
	if (access("/sys/kernel/debug/dma-api", F_OK))
		skip("this kernel does not look (DMA_API_DEBUG)");
	lseek(log, 0, SEEK_END);
	bind_dmabuf();
	mnl_socket_close(netlink);
	if (complaints(log)) {
		puts("SHOWN: the segments are longer than the device supports");
		return 1;
	}
	puts("absent: mapped without a complaint");
	return 0;
}
