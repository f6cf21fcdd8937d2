// SPDX-License-Identifier: GPL-2.0-only
// The settings of one interface: lab_state INTERFACE show | save FILE | restore FILE.
//
// "save" writes what the ioctls below return, "restore" applies what differs, "show" prints all of
// it as text that can be compared. One call of "restore" need not be enough: a setting may be
// refused until another one, or the end of a process, lets it; call it until "show" is as before.
// include/uapi/linux/ethtool.h has the structures.
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FEATURE_BLOCKS 8
#define MOST_RULES 1024
#define MOST_RSS_BYTES 16384
#define FLAGS (IFF_UP | IFF_PROMISC | IFF_ALLMULTI | IFF_NOARP)

static const unsigned int flow_types[] = {TCP_V4_FLOW, UDP_V4_FLOW, TCP_V6_FLOW, UDP_V6_FLOW};
#define FLOW_TYPES (sizeof(flow_types) / sizeof(flow_types[0]))

struct state {
	int flags, mtu, tx_queue_length;
	struct sockaddr address;
	struct ethtool_ringparam rings;
	struct ethtool_channels channels;
	struct ethtool_coalesce coalesce;
	struct ethtool_pauseparam pause;
	struct ethtool_value private_flags;
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block blocks[FEATURE_BLOCKS];
	} features;
	struct {
		struct ethtool_rxfh head;
		unsigned char bytes[MOST_RSS_BYTES];
	} rss;
	uint64_t hash_fields[FLOW_TYPES];
	int rule_count, rules_need_no_place;
	struct ethtool_rx_flow_spec rules[MOST_RULES];
};

static const char *name;
static int sock;

static int net(unsigned long request, struct ifreq *ifr)
{
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	return ioctl(sock, request, ifr);
}

static int ethtool(void *command)
{
	struct ifreq ifr = {.ifr_data = command};

	return net(SIOCETHTOOL, &ifr);
}

static void complain(const char *what)
{
	fprintf(stderr, "lab_state: %s: %s: %s\n", name, what, strerror(errno));
}

static void load_rules(struct state *s)
{
	static uint64_t buffer[(sizeof(struct ethtool_rxnfc) + MOST_RULES * 4) / 8];
	struct ethtool_rxnfc *list = (void *)buffer;
	struct ethtool_rxnfc count = {.cmd = ETHTOOL_GRXCLSRLCNT};

	if (ethtool(&count) < 0)
		return;
	s->rules_need_no_place = !!(count.data & RX_CLS_LOC_SPECIAL);
	memset(buffer, 0, sizeof(buffer));
	list->cmd = ETHTOOL_GRXCLSRLALL;
	list->rule_cnt = count.rule_cnt < MOST_RULES ? count.rule_cnt : MOST_RULES;
	if (list->rule_cnt == 0 || ethtool(list) < 0)
		return;
	for (unsigned int i = 0; i < list->rule_cnt; i++) {
		struct ethtool_rxnfc one = {.cmd = ETHTOOL_GRXCLSRULE};
		one.fs.location = list->rule_locs[i];
		if (ethtool(&one) == 0)
			s->rules[s->rule_count++] = one.fs;
	}
}

static void load_rss(struct state *s)
{
	struct ethtool_rxfh sizes = {.cmd = ETHTOOL_GRSSH};

	if (ethtool(&sizes) < 0 || sizes.indir_size * 4 + sizes.key_size > MOST_RSS_BYTES)
		return;
	s->rss.head = sizes;
	s->rss.head.cmd = ETHTOOL_GRSSH;
	if (ethtool(&s->rss) < 0)
		memset(&s->rss, 0, sizeof(s->rss));
	for (unsigned int i = 0; i < FLOW_TYPES; i++) {
		struct ethtool_rxnfc fields = {.cmd = ETHTOOL_GRXFH, .flow_type = flow_types[i]};
		if (ethtool(&fields) == 0)
			s->hash_fields[i] = fields.data;
	}
}

static void load(struct state *s)
{
	struct ifreq ifr;

	memset(s, 0, sizeof(*s));
	if (net(SIOCGIFFLAGS, &ifr) < 0) {
		complain("flags");
		exit(1);
	}
	s->flags = ifr.ifr_flags & FLAGS;
	if (net(SIOCGIFMTU, &ifr) == 0)
		s->mtu = ifr.ifr_mtu;
	if (net(SIOCGIFTXQLEN, &ifr) == 0)
		s->tx_queue_length = ifr.ifr_qlen;
	if (net(SIOCGIFHWADDR, &ifr) == 0)
		s->address = ifr.ifr_hwaddr;
	s->rings.cmd = ETHTOOL_GRINGPARAM;
	s->channels.cmd = ETHTOOL_GCHANNELS;
	s->coalesce.cmd = ETHTOOL_GCOALESCE;
	s->pause.cmd = ETHTOOL_GPAUSEPARAM;
	s->private_flags.cmd = ETHTOOL_GPFLAGS;
	s->features.head.cmd = ETHTOOL_GFEATURES;
	s->features.head.size = FEATURE_BLOCKS;
	// what an interface does not have stays 0, on both sides of a comparison
	ethtool(&s->rings);
	ethtool(&s->channels);
	ethtool(&s->coalesce);
	ethtool(&s->pause);
	ethtool(&s->private_flags);
	ethtool(&s->features);
	load_rss(s);
	load_rules(s);
}

static uint32_t *indirection(struct state *s)
{
	return s->rss.head.rss_config;
}

static uint32_t checksum(const void *data, size_t length)
{
	const unsigned char *byte = data;
	uint32_t sum = 2166136261u; // FNV-1a: only to be compared

	while (length-- > 0)
		sum = (sum ^ *byte++) * 16777619u;
	return sum;
}

static uint32_t rule_sum(const struct ethtool_rx_flow_spec *rule, int no_place)
{
	struct ethtool_rx_flow_spec copy = *rule;

	if (no_place)
		copy.location = 0;
	return checksum(&copy, sizeof(copy));
}

static void show(struct state *s)
{
	unsigned char *mac = (unsigned char *)s->address.sa_data;
	const struct ethtool_coalesce *c = &s->coalesce;

	printf("link: %s flags %#x mtu %d txqueuelen %d\n", s->flags & IFF_UP ? "up" : "down",
	       s->flags, s->mtu, s->tx_queue_length);
	printf("address: %02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2], mac[3], mac[4],
	       mac[5]);
	printf("rings: rx %u mini %u jumbo %u tx %u\n", s->rings.rx_pending, s->rings.rx_mini_pending,
	       s->rings.rx_jumbo_pending, s->rings.tx_pending);
	printf("channels: rx %u tx %u other %u combined %u\n", s->channels.rx_count,
	       s->channels.tx_count, s->channels.other_count, s->channels.combined_count);
	printf("coalescing: rx %u us %u frames, irq %u us %u frames, tx %u us %u frames, irq %u us "
	       "%u frames, statistics %u us, adaptive rx %u tx %u, all %08x\n",
	       c->rx_coalesce_usecs, c->rx_max_coalesced_frames, c->rx_coalesce_usecs_irq,
	       c->rx_max_coalesced_frames_irq, c->tx_coalesce_usecs, c->tx_max_coalesced_frames,
	       c->tx_coalesce_usecs_irq, c->tx_max_coalesced_frames_irq,
	       c->stats_block_coalesce_usecs, c->use_adaptive_rx_coalesce,
	       c->use_adaptive_tx_coalesce, checksum(c, sizeof(*c)));
	printf("pause: autoneg %u rx %u tx %u\n", s->pause.autoneg, s->pause.rx_pause,
	       s->pause.tx_pause);
	printf("private flags: %#x\n", s->private_flags.data);
	printf("features:");
	for (unsigned int i = 0; i < s->features.head.size && i < FEATURE_BLOCKS; i++)
		printf(" %08x", s->features.blocks[i].active);
	printf("\nrss: %u entries, hash function %u, key %08x, table %08x\n", s->rss.head.indir_size,
	       s->rss.head.hfunc,
	       checksum(indirection(s) + s->rss.head.indir_size, s->rss.head.key_size),
	       checksum(indirection(s), s->rss.head.indir_size * 4));
	printf("hash fields:");
	for (unsigned int i = 0; i < FLOW_TYPES; i++)
		printf(" %#llx", (unsigned long long)s->hash_fields[i]);
	printf("\nrules: %d\n", s->rule_count);
	uint32_t all = 0; // in any order
	for (int i = 0; i < s->rule_count; i++)
		all += rule_sum(&s->rules[i], s->rules_need_no_place);
	printf("rules sum: %08x\n", all);
}

static void set_up(int up)
{
	struct ifreq ifr;

	if (net(SIOCGIFFLAGS, &ifr) == 0 && !!(ifr.ifr_flags & IFF_UP) != up) {
		ifr.ifr_flags ^= IFF_UP;
		if (net(SIOCSIFFLAGS, &ifr) < 0)
			complain(up ? "up" : "down");
	}
}

static void apply(void *wanted, void *now, size_t size, unsigned int command, const char *what)
{
	if (memcmp(wanted, now, size) == 0)
		return;
	*(uint32_t *)wanted = command; // each of these structures begins with its command
	if (ethtool(wanted) < 0)
		complain(what);
}

static void apply_features(struct state *wanted, struct state *now)
{
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block blocks[FEATURE_BLOCKS];
	} change = {.head = {.cmd = ETHTOOL_SFEATURES, .size = wanted->features.head.size}};
	uint32_t any = 0;

	for (unsigned int i = 0; i < change.head.size && i < FEATURE_BLOCKS; i++) {
		struct ethtool_get_features_block *old = &wanted->features.blocks[i];
		uint32_t fixed = old->never_changed | ~old->available;
		change.blocks[i].valid = (old->requested ^ now->features.blocks[i].requested) & ~fixed;
		change.blocks[i].requested = old->requested & change.blocks[i].valid;
		any |= change.blocks[i].valid;
	}
	if (any && ethtool(&change) < 0)
		complain("features");
}

static int is_even_spread(struct state *s)
{
	uint32_t last = 0;

	for (unsigned int i = 0; i < s->rss.head.indir_size; i++)
		last = indirection(s)[i] > last ? indirection(s)[i] : last;
	for (unsigned int i = 0; i < s->rss.head.indir_size; i++)
		if (indirection(s)[i] != i % (last + 1))
			return 0;
	return 1;
}

static void spread_evenly(void)
{
	struct ethtool_rxfh change = {.cmd = ETHTOOL_SRSSH}; // no entries: the driver's default

	if (ethtool(&change) < 0)
		complain("RSS default");
}

static void apply_rss(struct state *wanted, struct state *now)
{
	struct ethtool_rxfh *head = &wanted->rss.head;

	if (head->indir_size == 0)
		return;
	size_t table_bytes = head->indir_size * 4;
	unsigned char *key = (unsigned char *)indirection(wanted) + table_bytes;
	// Nobody can see whether a table is the driver's own or a user's: channels keep to the latter.
	if (is_even_spread(wanted))
		spread_evenly();
	load_rss(now);
	if (head->indir_size != now->rss.head.indir_size)
		return; // channels first
	unsigned char *key_now = (unsigned char *)indirection(now) + table_bytes;
	int same_table = !memcmp(indirection(wanted), indirection(now), table_bytes);
	int same_key = !memcmp(key, key_now, head->key_size);
	if (!same_table || !same_key || head->hfunc != now->rss.head.hfunc) {
		if (same_key)
			head->key_size = 0; // some drivers refuse any key, even their own
		if (same_table) {
			head->indir_size = ETH_RXFH_INDIR_NO_CHANGE;
			memmove(head->rss_config, key, head->key_size);
		}
		head->cmd = ETHTOOL_SRSSH;
		if (ethtool(&wanted->rss) < 0)
			complain("RSS");
	}
	for (unsigned int i = 0; i < FLOW_TYPES; i++) {
		struct ethtool_rxnfc fields = {
			.cmd = ETHTOOL_SRXFH, .flow_type = flow_types[i], .data = wanted->hash_fields[i]};
		if (wanted->hash_fields[i] != now->hash_fields[i] && ethtool(&fields) < 0)
			complain("hash fields");
	}
}

static int same_rules(struct state *one, struct state *two)
{
	uint32_t sum = one->rule_count - two->rule_count;

	if (sum != 0)
		return 0;
	for (int i = 0; i < one->rule_count; i++) {
		sum += rule_sum(&one->rules[i], one->rules_need_no_place);
		sum -= rule_sum(&two->rules[i], one->rules_need_no_place);
	}
	return sum == 0;
}

static void remove_rules(struct state *now)
{
	for (int i = 0; i < now->rule_count; i++) {
		struct ethtool_rxnfc change = {.cmd = ETHTOOL_SRXCLSRLDEL};
		change.fs.location = now->rules[i].location;
		if (ethtool(&change) < 0)
			complain("delete rule");
	}
}

static void add_rules(struct state *wanted)
{
	for (int i = 0; i < wanted->rule_count; i++) {
		struct ethtool_rxnfc change = {.cmd = ETHTOOL_SRXCLSRLINS, .fs = wanted->rules[i]};
		if (wanted->rules_need_no_place)
			change.fs.location = RX_CLS_LOC_ANY;
		if (ethtool(&change) < 0)
			complain("add rule");
	}
}

static void apply_link(struct state *wanted, struct state *now)
{
	struct ifreq ifr;

	ifr.ifr_mtu = wanted->mtu;
	if (wanted->mtu != now->mtu && net(SIOCSIFMTU, &ifr) < 0)
		complain("MTU");
	ifr.ifr_qlen = wanted->tx_queue_length;
	if (wanted->tx_queue_length != now->tx_queue_length && net(SIOCSIFTXQLEN, &ifr) < 0)
		complain("txqueuelen");
	ifr.ifr_hwaddr = wanted->address;
	if (memcmp(&wanted->address, &now->address, sizeof(now->address)) &&
	    net(SIOCSIFHWADDR, &ifr) < 0)
		complain("MAC address");
	if (net(SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & FLAGS) != wanted->flags) {
		ifr.ifr_flags = (ifr.ifr_flags & ~FLAGS) | wanted->flags;
		if (net(SIOCSIFFLAGS, &ifr) < 0)
			complain("flags");
	}
}

static void restore(struct state *wanted)
{
	static struct state now;

	load(&now);
	if (memcmp(wanted, &now, sizeof(now)) == 0)
		return;
	set_up(1); // a driver takes most settings, or shows them, only then
	load(&now);
	int rules_as_before = same_rules(wanted, &now);
	if (!rules_as_before)
		remove_rules(&now);
	if (memcmp(&wanted->channels, &now.channels, sizeof(now.channels)) && !is_even_spread(&now))
		spread_evenly(); // a table that names queues keeps them
	apply(&wanted->channels, &now.channels, sizeof(now.channels), ETHTOOL_SCHANNELS, "channels");
	apply(&wanted->rings, &now.rings, sizeof(now.rings), ETHTOOL_SRINGPARAM, "rings");
	apply(&wanted->pause, &now.pause, sizeof(now.pause), ETHTOOL_SPAUSEPARAM, "pause");
	apply(&wanted->coalesce, &now.coalesce, sizeof(now.coalesce), ETHTOOL_SCOALESCE, "coalescing");
	apply(&wanted->private_flags, &now.private_flags, sizeof(now.private_flags), ETHTOOL_SPFLAGS,
	      "private flags");
	apply_features(wanted, &now);
	load(&now);
	apply_rss(wanted, &now);
	if (!rules_as_before)
		add_rules(wanted);
	apply_link(wanted, &now);
}

int main(int argc, char **argv)
{
	static struct state state;
	const char *verb = argc > 2 ? argv[2] : "";
	int has_file = argc == 4;

	if (!(argc == 3 && !strcmp(verb, "show")) &&
	    !(has_file && (!strcmp(verb, "save") || !strcmp(verb, "restore")))) {
		fprintf(stderr, "usage: lab_state INTERFACE show | save FILE | restore FILE\n");
		return 1;
	}
	name = argv[1];
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	FILE *file = has_file ? fopen(argv[3], verb[0] == 's' ? "w" : "r") : stdout;
	if (sock < 0 || file == NULL) {
		perror(has_file ? argv[3] : "socket");
		return 1;
	}
	if (verb[0] == 'r') {
		if (fread(&state, sizeof(state), 1, file) != 1) {
			complain("the saved state is incomplete");
			return 1;
		}
		restore(&state);
		return 0;
	}
	load(&state);
	if (!has_file)
		show(&state);
	else if (fwrite(&state, sizeof(state), 1, file) != 1)
		complain(argv[3]);
	return fclose(file) != 0;
}
