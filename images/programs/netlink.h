/* SPDX-License-Identifier: GPL-2.0-only */
/* Generic netlink by hand: requests, answers, attributes, and what the kernel says of an error. */
#ifndef TESTBED_NETLINK_H
#define TESTBED_NETLINK_H

#include <linux/genetlink.h>
#include <linux/netdev.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

#define ATTRIBUTES_MAX 64
#define ANSWER_BYTES 65536
#define EXTACK_BYTES 256

struct attributes {
	const struct nlattr *of[ATTRIBUTES_MAX];
};

struct netlink {
	int fd;
	uint32_t sequence;
	char extack[EXTACK_BYTES]; /* the kernel's words about the last error; may be empty */
};

typedef void (*netlink_answer)(const struct attributes *attributes, void *context);

static inline struct attributes netlink_parse(const void *data, int length)
{
	struct attributes result = { 0 };
	const struct nlattr *attribute = data;

	while (length >= (int)NLA_HDRLEN && attribute->nla_len >= NLA_HDRLEN && attribute->nla_len <= length) {
		unsigned int type = attribute->nla_type & NLA_TYPE_MASK;
		int step = NLA_ALIGN(attribute->nla_len);

		if (type < ATTRIBUTES_MAX)
			result.of[type] = attribute;
		length -= step;
		attribute = (const void *)((const char *)attribute + step);
	}
	return result;
}

/* The spec's "uint" is 4 or 8 bytes long. */
static inline uint64_t netlink_number(const struct attributes *attributes, unsigned int type)
{
	const struct nlattr *attribute = attributes->of[type];
	uint64_t wide = 0;
	uint32_t narrow = 0;

	if (!attribute)
		return 0;
	if (attribute->nla_len - NLA_HDRLEN == sizeof(wide)) {
		memcpy(&wide, (const char *)attribute + NLA_HDRLEN, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, (const char *)attribute + NLA_HDRLEN,
	       attribute->nla_len - NLA_HDRLEN < (int)sizeof(narrow) ? attribute->nla_len - NLA_HDRLEN :
								       (int)sizeof(narrow));
	return narrow;
}

static inline struct nlattr *netlink_append(struct nlmsghdr *message, unsigned int type, const void *data,
					    unsigned int length)
{
	struct nlattr *attribute = (void *)((char *)message + NLMSG_ALIGN(message->nlmsg_len));

	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + length;
	if (length)
		memcpy((char *)attribute + NLA_HDRLEN, data, length);
	message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + NLA_ALIGN(attribute->nla_len);
	return attribute;
}

static inline struct nlmsghdr *netlink_request(struct netlink *netlink, void *buffer, unsigned int family,
					       unsigned int command, unsigned int flags)
{
	struct nlmsghdr *message = buffer;
	struct genlmsghdr *header = NLMSG_DATA(message);

	memset(buffer, 0, NLMSG_SPACE(sizeof(*header)));
	message->nlmsg_len = NLMSG_LENGTH(sizeof(*header));
	message->nlmsg_type = family;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++netlink->sequence;
	header->cmd = command;
	header->version = 1;
	return message;
}

/* With NLM_F_CAPPED the failed request is not repeated behind the error, only its header. */
static inline void netlink_keep_extack(struct netlink *netlink, const struct nlmsghdr *answer)
{
	const struct nlmsgerr *error = NLMSG_DATA(answer);
	unsigned int offset = sizeof(*error);
	struct attributes attributes;
	const struct nlattr *text;

	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		offset += error->msg.nlmsg_len - sizeof(error->msg);
	offset = NLMSG_ALIGN(offset);
	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS) || answer->nlmsg_len < NLMSG_LENGTH(offset))
		return;
	attributes = netlink_parse((const char *)error + offset, answer->nlmsg_len - NLMSG_LENGTH(offset));
	text = attributes.of[NLMSGERR_ATTR_MSG];
	if (text)
		snprintf(netlink->extack, sizeof(netlink->extack), "%.*s", (int)(text->nla_len - NLA_HDRLEN),
			 (const char *)text + NLA_HDRLEN);
}

/* Sends and calls `each` for every answer. Returns 0 or the errno. */
static inline int netlink_exchange(struct netlink *netlink, struct nlmsghdr *message, netlink_answer each,
				   void *context)
{
	static char buffer[ANSWER_BYTES] __attribute__((aligned(8)));
	bool dump = message->nlmsg_flags & NLM_F_DUMP;

	*netlink->extack = '\0';
	if (send(netlink->fd, message, message->nlmsg_len, 0) < 0)
		return errno;
	for (;;) {
		ssize_t length = recv(netlink->fd, buffer, sizeof(buffer), 0);
		struct nlmsghdr *answer = (void *)buffer;

		if (length < 0)
			return errno;
		for (; NLMSG_OK(answer, length); answer = NLMSG_NEXT(answer, length)) {
			struct attributes attributes;

			if (answer->nlmsg_seq != netlink->sequence)
				continue;
			if (answer->nlmsg_type == NLMSG_DONE)
				return 0;
			if (answer->nlmsg_type == NLMSG_ERROR) {
				netlink_keep_extack(netlink, answer);
				return -((struct nlmsgerr *)NLMSG_DATA(answer))->error;
			}
			attributes = netlink_parse((char *)NLMSG_DATA(answer) + GENL_HDRLEN,
						   answer->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN));
			each(&attributes, context);
			if (!dump)
				return 0;
		}
	}
}

static inline void netlink_take_family(const struct attributes *attributes, void *family)
{
	*(unsigned int *)family = netlink_number(attributes, CTRL_ATTR_FAMILY_ID);
}

/* Opens a socket and asks for the number of the family `name`. */
static inline unsigned int netlink_open(struct netlink *netlink, const char *name)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *message;
	unsigned int family = 0;
	int one = 1, error;

	*netlink = (struct netlink){ .fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC) };
	if (netlink->fd < 0)
		fail_errno("generic netlink");
	if (setsockopt(netlink->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) ||
	    setsockopt(netlink->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)))
		fail_errno("options of generic netlink");
	message = netlink_request(netlink, buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	netlink_append(message, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	error = netlink_exchange(netlink, message, netlink_take_family, &family);
	if (error)
		fail_with(error, "family %s", name);
	return family;
}

#endif
