// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib/netlink.h"

#include <linux/genetlink.h>
#include <stdbool.h>

#include "lib/fail.h"

#define ANSWER_BYTES 65536

struct exchange {
	struct netlink *netlink;
	netlink_answer each;
	void *context;
	bool dump;
};

static int keep_attribute(const struct nlattr *attribute, void *attributes)
{
	const uint16_t type = mnl_attr_get_type(attribute);

	if (type < ATTRIBUTES_MAX)
		((struct attributes *)attributes)->of[type] = attribute;
	return MNL_CB_OK;
}

struct attributes netlink_nested(const struct nlattr *nest)
{
	struct attributes result = { 0 };

	if (nest)
		mnl_attr_parse_nested(nest, keep_attribute, &result);
	return result;
}

uint64_t netlink_number(const struct attributes *attributes, unsigned int type)
{
	const struct nlattr *attribute = attributes->of[type];
	uint64_t number = 0;

	if (attribute && mnl_attr_get_payload_len(attribute) <= sizeof(number))
		memcpy(&number, mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute));
	return number;
}

struct nlmsghdr *netlink_request(struct netlink *netlink, void *buffer, unsigned int command, unsigned int flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = netlink->family;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++netlink->sequence;
	header->cmd = command;
	header->version = 1;
	return message;
}

static int take_answer(const struct nlmsghdr *answer, void *context)
{
	const struct exchange *exchange = context;
	struct attributes attributes = { 0 };

	mnl_attr_parse(answer, GENL_HDRLEN, keep_attribute, &attributes);
	exchange->each(&attributes, exchange->context);
	return exchange->dump ? MNL_CB_OK : MNL_CB_STOP;
}

/* With NLM_F_CAPPED the failed request is not repeated behind the error, only its header. */
static int take_error(const struct nlmsghdr *answer, void *context)
{
	struct netlink *netlink = ((struct exchange *)context)->netlink;
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);
	struct attributes attributes = { 0 };
	size_t offset = sizeof(*error);

	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(&error->msg);
	if (answer->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(answer, offset, keep_attribute, &attributes);
	if (attributes.of[NLMSGERR_ATTR_MSG])
		snprintf(netlink->extack, sizeof(netlink->extack), "%s",
			 mnl_attr_get_str(attributes.of[NLMSGERR_ATTR_MSG]));
	errno = -error->error;
	return errno ? MNL_CB_ERROR : MNL_CB_STOP;
}

int netlink_exchange(struct netlink *netlink, const struct nlmsghdr *message, netlink_answer each, void *context)
{
	static const mnl_cb_t control[] = { [NLMSG_ERROR] = take_error };
	static char buffer[ANSWER_BYTES] __attribute__((aligned(8)));
	struct exchange exchange = { netlink, each, context, message->nlmsg_flags & NLM_F_DUMP };
	int status = MNL_CB_OK;

	*netlink->extack = '\0';
	if (mnl_socket_sendto(netlink->socket, message, message->nlmsg_len) < 0)
		return errno;
	while (status == MNL_CB_OK) {
		ssize_t length = mnl_socket_recvfrom(netlink->socket, buffer, sizeof(buffer));

		if (length < 0)
			return errno;
		status = mnl_cb_run2(buffer, length, netlink->sequence, mnl_socket_get_portid(netlink->socket),
				     take_answer, &exchange, control, sizeof(control) / sizeof(*control));
	}
	return status == MNL_CB_ERROR ? errno : 0;
}

static void take_family(const struct attributes *attributes, void *netlink)
{
	((struct netlink *)netlink)->family = netlink_number(attributes, CTRL_ATTR_FAMILY_ID);
}

int netlink_try_open(struct netlink *netlink, const char *name)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *message;
	int one = 1;

	*netlink = (struct netlink){ mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC), .family = GENL_ID_CTRL };
	if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_setsockopt(netlink->socket, NETLINK_EXT_ACK, &one, sizeof(one)) ||
	    mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, &one, sizeof(one)))
		return errno;
	message = netlink_request(netlink, buffer, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, name);
	return netlink_exchange(netlink, message, take_family, netlink);
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	netlink->socket = NULL;
}

void netlink_open(struct netlink *netlink, const char *name)
{
	int error = netlink_try_open(netlink, name);

	if (error)
		fail_with(error, "family %s", name);
}
