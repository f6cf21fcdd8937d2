// SPDX-License-Identifier: GPL-2.0-only
// What `ethtool` sets: ioctls where there are some, else its netlink family.
#define _GNU_SOURCE
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/sockios.h>
#include <net/if.h>

#include "lib/fail.h"
#include "lib/netlink.h"
#include "net_setup/steps.h"

#define REQUEST_BYTES 512

static struct netlink ethtool;

void forget_ethtool_sockets(void)
{
	if (ethtool.socket)
		mnl_socket_close(ethtool.socket);
	ethtool.socket = NULL;
}

static void call(const char *interface, void *command, const char *step)
{
	struct ifreq request = { .ifr_data = command };

	if (strlen(interface) >= IFNAMSIZ)
		fail("%s is no name of an interface", interface);
	strcpy(request.ifr_name, interface);
	if (ioctl(interface_socket(), SIOCETHTOOL, &request))
		fail_errno("%s %s", step, interface);
}

void step_channels(char **words)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };

	call(words[0], &channels, "channels");
	channels.cmd = ETHTOOL_SCHANNELS;
	channels.combined_count = number_argument("channels", words[1]);
	call(words[0], &channels, "channels");
}

static void no_answer(const struct attributes *attributes, void *context)
{
	(void)attributes;
	(void)context;
}

void step_rings(char **words)
{
	char buffer[REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *message;
	struct nlattr *header;
	int error;

	if (!ethtool.socket)
		netlink_open(&ethtool, ETHTOOL_GENL_NAME);
	message = netlink_request(&ethtool, buffer, ETHTOOL_MSG_RINGS_SET, NLM_F_ACK);
	header = mnl_attr_nest_start(message, ETHTOOL_A_RINGS_HEADER);
	mnl_attr_put_strz(message, ETHTOOL_A_HEADER_DEV_NAME, words[0]);
	mnl_attr_nest_end(message, header);
	mnl_attr_put_u32(message, ETHTOOL_A_RINGS_RX, number_argument("rings", words[1]));
	mnl_attr_put_u8(message, ETHTOOL_A_RINGS_TCP_DATA_SPLIT, ETHTOOL_TCP_DATA_SPLIT_ENABLED);
	mnl_attr_put_u32(message, ETHTOOL_A_RINGS_HDS_THRESH, number_argument("rings", words[2]));
	error = netlink_exchange(&ethtool, message, no_answer, NULL);
	if (error)
		fail_with(error, "rings %s: %s", words[0], ethtool.extack);
}

void step_spread(char **words)
{
	struct ethtool_rxfh_indir size = { .cmd = ETHTOOL_GRXFHINDIR }, *table;
	const unsigned int first = number_argument("spread", words[1]), count = number_argument("spread", words[2]);

	if (!count)
		fail("spread: to no queue");
	call(words[0], &size, "spread");
	table = calloc(1, sizeof(*table) + size.size * sizeof(table->ring_index[0]));
	if (!table)
		fail_errno("spread");
	table->cmd = ETHTOOL_SRXFHINDIR;
	table->size = size.size;
	for (unsigned int i = 0; i < size.size; i++)
		table->ring_index[i] = first + i % count;
	call(words[0], table, "spread");
	free(table);
}
