// SPDX-License-Identifier: GPL-2.0-only
// Interfaces, addresses and namespaces: ioctls where there are some, else rtnetlink.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fail.h"
#include "net_setup/steps.h"

#define NAMESPACES "/run/netns"
#define PATH_BYTES 300
#define REQUEST_BYTES 512

static int interfaces = -1;
static struct mnl_socket *route;

int interface_socket(void)
{
	if (interfaces < 0)
		interfaces = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (interfaces < 0)
		fail_errno("socket");
	return interfaces;
}

void forget_link_sockets(void)
{
	if (interfaces >= 0)
		close(interfaces);
	if (route)
		mnl_socket_close(route);
	interfaces = -1;
	route = NULL;
}

static struct ifreq request_for(const char *interface)
{
	struct ifreq request = { 0 };

	if (strlen(interface) >= IFNAMSIZ)
		fail("%s is no name of an interface", interface);
	strcpy(request.ifr_name, interface);
	return request;
}

static unsigned int index_of(const char *interface)
{
	struct ifreq request = request_for(interface);

	if (ioctl(interface_socket(), SIOCGIFINDEX, &request))
		fail_errno("%s", interface);
	return request.ifr_ifindex;
}

static void change_flags(const char *interface, short set, short clear)
{
	struct ifreq request = request_for(interface);

	if (ioctl(interface_socket(), SIOCGIFFLAGS, &request))
		fail_errno("%s", interface);
	request.ifr_flags = (request.ifr_flags & ~clear) | set;
	if (ioctl(interface_socket(), SIOCSIFFLAGS, &request))
		fail_errno("%s %s", set ? "up" : "down", interface);
}

void step_up(char **words)
{
	change_flags(words[0], IFF_UP, 0);
}

void step_down(char **words)
{
	change_flags(words[0], 0, IFF_UP);
}

void step_mtu(char **words)
{
	struct ifreq request = request_for(words[0]);

	request.ifr_mtu = number_argument("mtu", words[1]);
	if (ioctl(interface_socket(), SIOCSIFMTU, &request))
		fail_errno("mtu %s %s", words[0], words[1]);
}

void step_name(char **words)
{
	struct ifreq request = request_for(words[0]);

	strcpy(request.ifr_newname, request_for(words[1]).ifr_name);
	if (ioctl(interface_socket(), SIOCSIFNAME, &request))
		fail_errno("name %s %s", words[0], words[1]);
}

/* An rtnetlink request whose fixed part is `size` bytes at `*fixed`. */
static struct nlmsghdr *new_request(void *buffer, uint16_t type, uint16_t flags, size_t size, void **fixed)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	*fixed = mnl_nlmsg_put_extra_header(message, size);
	return message;
}

static void exchange(const struct nlmsghdr *message, const char *step, const char *interface)
{
	char answer[MNL_SOCKET_DUMP_SIZE];
	ssize_t length;

	if (!route) {
		route = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
		if (!route || mnl_socket_bind(route, 0, MNL_SOCKET_AUTOPID))
			fail_errno("rtnetlink");
	}
	if (mnl_socket_sendto(route, message, message->nlmsg_len) < 0)
		fail_errno("rtnetlink");
	length = mnl_socket_recvfrom(route, answer, sizeof(answer));
	if (length < 0 || mnl_cb_run(answer, length, 0, mnl_socket_get_portid(route), NULL, NULL) < 0)
		fail_errno("%s %s", step, interface);
}

void step_address(char **words)
{
	char buffer[REQUEST_BYTES] __attribute__((aligned(8)));
	const int family = strchr(words[1], ':') ? AF_INET6 : AF_INET;
	struct in6_addr address;
	struct nlmsghdr *message;
	struct ifaddrmsg *fixed;

	if (inet_pton(family, words[1], &address) != 1)
		fail("%s is no address", words[1]);
	message = new_request(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*fixed), (void **)&fixed);
	fixed->ifa_family = family;
	fixed->ifa_prefixlen = number_argument("bits", words[2]);
	fixed->ifa_index = index_of(words[0]);
	fixed->ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
	for (uint16_t type = IFA_ADDRESS; type <= IFA_LOCAL; type++)
		mnl_attr_put(message, type, family == AF_INET6 ? sizeof(address) : sizeof(struct in_addr), &address);
	exchange(message, "address", words[0]);
}

static void path_of(char *path, const char *namespace)
{
	if (snprintf(path, PATH_BYTES, NAMESPACES "/%s", namespace) >= PATH_BYTES)
		fail("%s is no name of a namespace", namespace);
}

int open_namespace(const char *name)
{
	char path[PATH_BYTES];
	int fd;

	path_of(path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_errno("%s", path);
	return fd;
}

/* As `ip netns add`: it lives as a mount, beyond any process. */
void step_namespace(char **words)
{
	char path[PATH_BYTES];
	int ours, fd;

	path_of(path, words[0]);
	if (mkdir(NAMESPACES, 0755) && errno != EEXIST)
		fail_errno(NAMESPACES);
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ours < 0 || unshare(CLONE_NEWNET) || mount("/proc/self/ns/net", path, "none", MS_BIND, NULL) ||
	    setns(ours, CLONE_NEWNET))
		fail_errno("namespace %s", words[0]);
	close(fd);
	close(ours);
}

void step_move(char **words)
{
	char buffer[REQUEST_BYTES] __attribute__((aligned(8)));
	const int namespace = open_namespace(words[1]);
	struct nlmsghdr *message;
	struct ifinfomsg *fixed;

	message = new_request(buffer, RTM_NEWLINK, 0, sizeof(*fixed), (void **)&fixed);
	fixed->ifi_index = index_of(words[0]);
	mnl_attr_put_u32(message, IFLA_NET_NS_FD, namespace);
	mnl_attr_put_strz(message, IFLA_IFNAME, request_for(words[2]).ifr_name);
	exchange(message, "move", words[0]);
	close(namespace);
}
