// SPDX-License-Identifier: GPL-2.0-only
/*
 * netdev_ask IFNAME [DEFER FLUSH_NS SUSPEND_NS THREADED]
 *
 * Asks the kernel's "netdev" generic netlink family (linux/netdev.h) all that it can be asked about an interface: its
 * device, queues, NAPI instances, page pools and statistics, as a list, one by one, and one that there is not.
 * With four numbers each NAPI instance is set first: hard interrupts that are deferred, gro_flush_timeout and
 * irq_suspend_timeout in nanoseconds, and whether it polls in a thread.
 *
 * Prints {"asked":N,"refused":M}: whatever is not there is refused, as it is while the interface is down.
 */
#define _GNU_SOURCE
#include <net/if.h>
#include <stdlib.h>

#include "lib/fail.h"
#include "lib/netlink.h"

#define IDS_MAX 256
#define SETTINGS 4
#define ATTRIBUTES 5

struct ids {
	unsigned int attribute; /* which one is the id */
	uint32_t of[IDS_MAX];
	size_t count;
};

/* Attributes of 32 bits, in a nest if that is not 0; type 0: none. */
struct question {
	unsigned int command, flags, nest;
	struct {
		unsigned int type;
		uint32_t value;
	} attributes[ATTRIBUTES];
};

static struct netlink netlink;
static uint32_t ifindex;
static unsigned int asked, refused;

static void take_id(const struct attributes *attributes, void *context)
{
	struct ids *ids = context;

	if (ids && ids->count < IDS_MAX)
		ids->of[ids->count++] = netlink_number(attributes, ids->attribute);
}

static void ask(const struct question *question, struct ids *ids)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *message = netlink_request(&netlink, buffer, question->command, question->flags);
	struct nlattr *nest = question->nest ? mnl_attr_nest_start(message, question->nest) : NULL;

	for (size_t i = 0; i < ATTRIBUTES && question->attributes[i].type; i++)
		mnl_attr_put_u32(message, question->attributes[i].type, question->attributes[i].value);
	if (nest)
		mnl_attr_nest_end(message, nest);
	asked++;
	refused += !!netlink_exchange(&netlink, message, take_id, ids);
}

static void list(unsigned int command, unsigned int ifindex_attribute, struct ids *ids)
{
	ask(&(struct question){ command, NLM_F_DUMP, 0, { { ifindex_attribute, ifindex } } }, ids);
}

/* Each by its id, and one that nobody has. */
static void ask_each(unsigned int command, unsigned int nest, unsigned int attribute, const struct ids *ids)
{
	uint32_t behind = 1;

	for (size_t i = 0; i < ids->count; i++) {
		ask(&(struct question){ command, 0, nest, { { attribute, ids->of[i] } } }, NULL);
		behind = ids->of[i] >= behind ? ids->of[i] + 1 : behind;
	}
	ask(&(struct question){ command, 0, nest, { { attribute, behind } } }, NULL);
}

static void ask_queues(void)
{
	struct ids queues = { .attribute = NETDEV_A_QUEUE_ID };
	uint32_t behind = 0;

	list(NETDEV_CMD_QUEUE_GET, NETDEV_A_QUEUE_IFINDEX, &queues);
	for (size_t i = 0; i < queues.count; i++)
		behind = queues.of[i] >= behind ? queues.of[i] + 1 : behind;
	for (uint32_t id = 0; id <= behind; id++) {
		for (uint32_t type = NETDEV_QUEUE_TYPE_RX; type <= NETDEV_QUEUE_TYPE_TX; type++) {
			ask(&(struct question){ NETDEV_CMD_QUEUE_GET, 0, 0,
						{ { NETDEV_A_QUEUE_IFINDEX, ifindex }, { NETDEV_A_QUEUE_TYPE, type },
						  { NETDEV_A_QUEUE_ID, id } } }, NULL);
		}
	}
}

static void set_napi(uint32_t id, char **numbers)
{
	static const unsigned int types[SETTINGS] = {
		NETDEV_A_NAPI_DEFER_HARD_IRQS, NETDEV_A_NAPI_GRO_FLUSH_TIMEOUT, NETDEV_A_NAPI_IRQ_SUSPEND_TIMEOUT,
		NETDEV_A_NAPI_THREADED,
	};
	struct question question = { NETDEV_CMD_NAPI_SET, NLM_F_ACK, 0, { { NETDEV_A_NAPI_ID, id } } };

	for (size_t i = 0; i < SETTINGS; i++) {
		question.attributes[i + 1].type = types[i];
		question.attributes[i + 1].value = strtoul(numbers[i], NULL, 10);
	}
	ask(&question, NULL);
}

static void ask_statistics(void)
{
	struct question question = { NETDEV_CMD_QSTATS_GET, NLM_F_DUMP, 0, { { NETDEV_A_QSTATS_IFINDEX, ifindex } } };

	ask(&question, NULL);
	question.attributes[1].type = NETDEV_A_QSTATS_SCOPE;
	question.attributes[1].value = NETDEV_QSTATS_SCOPE_QUEUE;
	ask(&question, NULL);
}

int main(int argc, char **argv)
{
	struct ids napis = { .attribute = NETDEV_A_NAPI_ID }, pools = { .attribute = NETDEV_A_PAGE_POOL_ID };

	if (argc != 2 && argc != 2 + SETTINGS) {
		fprintf(stderr, "usage: netdev_ask IFNAME [DEFER FLUSH_NS SUSPEND_NS THREADED]\n");
		return USAGE_STATUS;
	}
	ifindex = if_nametoindex(argv[1]);
	if (!ifindex)
		fail("no interface is called '%s'", argv[1]);
	netlink_open(&netlink, NETDEV_FAMILY_NAME);

	list(NETDEV_CMD_NAPI_GET, NETDEV_A_NAPI_IFINDEX, &napis);
	for (size_t i = 0; argc > 2 && i < napis.count; i++)
		set_napi(napis.of[i], argv + 2);
	ask_each(NETDEV_CMD_NAPI_GET, 0, NETDEV_A_NAPI_ID, &napis);
	list(NETDEV_CMD_DEV_GET, 0, NULL);
	ask(&(struct question){ NETDEV_CMD_DEV_GET, 0, 0, { { NETDEV_A_DEV_IFINDEX, ifindex } } }, NULL);
	ask_queues();
	list(NETDEV_CMD_PAGE_POOL_GET, 0, &pools);
	ask_each(NETDEV_CMD_PAGE_POOL_GET, 0, NETDEV_A_PAGE_POOL_ID, &pools);
	list(NETDEV_CMD_PAGE_POOL_STATS_GET, 0, NULL);
	ask_each(NETDEV_CMD_PAGE_POOL_STATS_GET, NETDEV_A_PAGE_POOL_STATS_INFO, NETDEV_A_PAGE_POOL_ID, &pools);
	ask_statistics();
	printf("{\"asked\":%u,\"refused\":%u}\n", asked, refused);
	return 0;
}
