// SPDX-License-Identifier: GPL-2.0-only
/*
 * devmem TCP: a dmabuf is bound to the receive queues of a card, the card is removed, the binding goes: the kernel unmaps
 * the dmabuf for a struct device that was freed.
 *
 * gcc -O2 reproduce.c -o reproduce -lmnl     Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
 * A kernel with the bug may panic. Needs root, /dev/udmabuf, and KASAN or slab_debug=FZPU: otherwise the freed memory is
 * used all the same, and as a rule nothing is said. The card comes back by "echo 1 >/sys/bus/pci/rescan".
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
	static const char *const words[] = { "BUG: ", "KASAN", "Oops", "refcount_t: ", "list_add corruption", "list_del corruption", "general protection" };
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

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		skip("%s: %s", path, strerror(errno));
	close(fd);
}

/*
 * Whether the kernel notices that a freed device is used: KASAN, or slab_debug=P (poison), and an architecture that asks the
 * device how to unmap.
 */
static bool notices(void)
{
	char line[512], value = '0';
	bool found = false, asks = false;
	FILE *symbols = fopen("/proc/kallsyms", "r");
	int poison = open("/sys/kernel/slab/kmalloc-4k/poison", O_RDONLY);

	while (symbols && fgets(line, sizeof(line), symbols)) {
		found |= !!strstr(line, " kasan_report\n");
		asks |= !!strstr(line, " iommu_dma_unmap_sg\n");
	}
	if (poison >= 0 && read(poison, &value, 1) == 1)
		found |= value == '1';
	return found && asks;
}

int main(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char path[128];

	find_nic();
	setvbuf(stdout, NULL, _IONBF, 0);
	lseek(log, 0, SEEK_END);
	bind_dmabuf();
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", device);
	write_to(path, "1");
	sleep(1);
	printf("%s is removed; its binding goes\n", device);
	mnl_socket_close(netlink);
	sleep(2); /* a worker unmaps */
	if (complaints(log)) {
		puts("SHOWN: the removed device has been used");
		return 1;
	}
	if (!notices())
		skip("nothing was said, and this kernel does not look (KASAN, slab_debug=FZPU)");
	puts("absent: unmapped without a complaint");
	return 0;
}
