// SPDX-License-Identifier: GPL-2.0-only
/*
 * bnxt_en: the default table of RSS is made anew if the number of rings reserved in hardware changes. Two channels under an
 * XDP program have as many as one channel without: one ring each, or one and its aggregation ring. From one to the other the
 * table stays, and names the second ring of one: the driver follows it beyond its array of rings.
 *
 * gcc -O2 reproduce.c -o reproduce     Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
 * Needs root. A kernel with the bug may oops with the RTNL lock held, or panic. KASAN says what it reads; without, the table
 * that is in force then is looked at.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <glob.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

static int ethtool(void *command)
{
	struct ifreq interface = { .ifr_data = command };

	memcpy(interface.ifr_name, nic, strnlen(nic, IFNAMSIZ - 1));
	return ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCETHTOOL, &interface);
}

static struct ethtool_channels channels(void)
{
	struct ethtool_channels now = { .cmd = ETHTOOL_GCHANNELS };

	if (ethtool(&now))
		skip("no channels: %s", strerror(errno));
	return now;
}

static void set_channels(unsigned int count)
{
	struct ethtool_channels wanted = channels();

	if (wanted.combined_count == count)
		return;
	wanted.cmd = ETHTOOL_SCHANNELS;
	wanted.combined_count = count;
	wanted.rx_count = wanted.tx_count = 0;
	if (ethtool(&wanted))
		skip("cannot set %u channels: %s", count, strerror(errno));
}

/* The largest ring that the table names. */
static unsigned int largest_ring(void)
{
	struct ethtool_rxfh_indir *table;
	unsigned int i, largest = 0;

	table = calloc(1, sizeof(*table) + 4096 * sizeof(table->ring_index[0]));
	table->cmd = ETHTOOL_GRXFHINDIR;
	table->size = 4096;
	if (ethtool(table))
		skip("no table: %s", strerror(errno));
	for (i = 0; i < table->size; i++)
		if (table->ring_index[i] > largest)
			largest = table->ring_index[i];
	return largest;
}

static int bpf(int command, union bpf_attr *attributes)
{
	return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

/* A program that passes all packets, in the driver; it goes with the descriptor. */
static int attach_xdp(void)
{
	struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr program = {
		.prog_type = BPF_PROG_TYPE_XDP, .insns = (uintptr_t)pass, .insn_cnt = 2,
		.license = (uintptr_t)"GPL",
	};
	union bpf_attr link = { 0 };
	int descriptor;

	link.link_create.prog_fd = bpf(BPF_PROG_LOAD, &program);
	if ((int)link.link_create.prog_fd < 0)
		skip("no BPF program: %s", strerror(errno));
	link.link_create.target_ifindex = if_nametoindex(nic);
	link.link_create.attach_type = BPF_XDP;
	link.link_create.flags = XDP_FLAGS_DRV_MODE;
	descriptor = bpf(BPF_LINK_CREATE, &link);
	if (descriptor < 0)
		skip("cannot attach a program: %s", strerror(errno));
	return descriptor;
}

static void run(const char *format)
{
	char text[128];

	snprintf(text, sizeof(text), format, nic);
	if (system(text))
		skip("%s fails", text);
}

int main(void)
{
	unsigned int before, largest, now;
	int link;

	setvbuf(stdout, NULL, _IONBF, 0);
	find_nic();
	before = channels().combined_count;
	run("ip link set %s up");
	set_channels(2);
	link = attach_xdp();
	run("ip link set %s down");
	close(link);
	set_channels(1);
	if (system("echo reproduce: opening >/dev/kmsg"))
		skip("no kernel log");
	run("ip link set %s up");
	now = channels().combined_count;
	largest = largest_ring();
	if (!system("dmesg | sed '1,/reproduce: opening/d' | grep 'BUG: \\|Oops\\|KASAN'")) {
		puts("SHOWN: opening the interface faulted");
		return 1;
	}
	set_channels(before);
	if (largest >= now) {
		printf("SHOWN: the table names ring %u, and there is %u\n", largest, now);
		return 1;
	}
	printf("absent: %u ring, and the table names none beyond %u\n", now, largest);
	return 0;
}
