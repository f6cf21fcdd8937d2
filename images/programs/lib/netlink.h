/* SPDX-License-Identifier: GPL-2.0-only */
/* One generic netlink family by libmnl: requests, answers, and the kernel's text about an error. */
#ifndef TESTBED_NETLINK_H
#define TESTBED_NETLINK_H

#include <libmnl/libmnl.h>
#include <linux/netdev.h>
#include <stdint.h>

#define ATTRIBUTES_MAX 64
#define EXTACK_BYTES 256

/* By type; NULL: not there. */
struct attributes {
	const struct nlattr *of[ATTRIBUTES_MAX];
};

struct netlink {
	struct mnl_socket *socket;
	uint16_t family;
	uint32_t sequence;
	char extack[EXTACK_BYTES]; /* the kernel's text about the last error; may be empty */
};

typedef void (*netlink_answer)(const struct attributes *attributes, void *context);

/* Opens a socket for the family `name`; ends the program if the kernel has no such family. */
void netlink_open(struct netlink *netlink, const char *name);

/* The same, but returns 0 or the errno; without memory there may be no socket. */
int netlink_try_open(struct netlink *netlink, const char *name);

/* Closes its socket, if there is one. */
void netlink_close(struct netlink *netlink);

/* A request without attributes, in `buffer`; libmnl appends them. */
struct nlmsghdr *netlink_request(struct netlink *netlink, void *buffer, unsigned int command, unsigned int flags);

/* Sends and calls `each` for every answer. Returns 0 or the errno. */
int netlink_exchange(struct netlink *netlink, const struct nlmsghdr *message, netlink_answer each, void *context);

/* The attributes in an attribute; none in NULL. */
struct attributes netlink_nested(const struct nlattr *nest);

/* An unsigned attribute of any width (the specs' "uint" has 4 or 8 bytes); 0 where there is none. */
uint64_t netlink_number(const struct attributes *attributes, unsigned int type);

#endif
