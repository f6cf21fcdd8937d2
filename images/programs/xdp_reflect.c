// SPDX-License-Identifier: GPL-2.0-only
/*
 * xdp_reflect IFNAME [--frags] [--redirect | --transmit | --cut BYTES]
 *
 * Attaches an XDP program to IFNAME, in the driver, that sends every frame of ethertype 0x88b5 (IEEE 802: local
 * experiments) back where it came from (XDP_TX) and passes all others. With --transmit they go back by XDP_REDIRECT to
 * IFNAME itself, so by its ndo_xdp_xmit(); with --redirect to an interface that does not exist, where they are lost.
 * With --cut it sends none, and passes whatever is longer than 200 bytes as if it had ended after BYTES.
 * With --frags it takes frames of several buffers. Prints {"attached":true} and stays until it is killed.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/fail.h"

#define INSN(c, d, s, o, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }
#define LOAD(size, d, s, o) INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, s, o) INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define MOVE(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define RETURN(what) INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, what), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define COUNT(program) (sizeof(program) / sizeof((program)[0]))
#define SET(d, what) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, what)
#define SUBTRACT(d, s) INSN(BPF_ALU64 | BPF_SUB | BPF_X, d, s, 0, 0)
#define NOWHERE 0x7ffffffe
#define LONG_BYTES 200
#define ETHERTYPE_READ_LITTLE_ENDIAN 0xb588

/* Whatever is no such frame passes: LENGTH instructions behind these. */
#define UNLESS_OURS_PASS(length) \
	LOAD(BPF_W, BPF_REG_2, BPF_REG_1, 0), /* data */ \
	LOAD(BPF_W, BPF_REG_3, BPF_REG_1, 4), /* data_end */ \
	MOVE(BPF_REG_4, BPF_REG_2), \
	INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, 14), \
	INSN(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, (length) + 2, 0), \
	LOAD(BPF_H, BPF_REG_5, BPF_REG_2, 12), \
	INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, length, ETHERTYPE_READ_LITTLE_ENDIAN)
/* eight instructions */
#define SWAP_ADDRESSES \
	LOAD(BPF_W, BPF_REG_0, BPF_REG_2, 0), \
	LOAD(BPF_H, BPF_REG_5, BPF_REG_2, 4), \
	LOAD(BPF_W, BPF_REG_6, BPF_REG_2, 6), \
	LOAD(BPF_H, BPF_REG_7, BPF_REG_2, 10), \
	STORE(BPF_W, BPF_REG_2, BPF_REG_6, 0), \
	STORE(BPF_H, BPF_REG_2, BPF_REG_7, 4), \
	STORE(BPF_W, BPF_REG_2, BPF_REG_0, 6), \
	STORE(BPF_H, BPF_REG_2, BPF_REG_5, 10)
/* four instructions */
#define REDIRECT(interface) \
	SET(BPF_REG_1, interface), \
	SET(BPF_REG_2, 0), \
	INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect), \
	INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static const struct bpf_insn reflect[] = {
	UNLESS_OURS_PASS(10),
	SWAP_ADDRESSES,
	RETURN(XDP_TX),
	RETURN(XDP_PASS),
};

static const struct bpf_insn redirect[] = {
	UNLESS_OURS_PASS(4),
	REDIRECT(NOWHERE),
	RETURN(XDP_PASS),
};

static int bpf(int command, union bpf_attr *attributes)
{
	return syscall(__NR_bpf, command, attributes, sizeof(*attributes));
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "frags", no_argument, NULL, 'f' },
						      { "redirect", no_argument, NULL, 'r' },
						      { "transmit", no_argument, NULL, 't' },
						      { "cut", required_argument, NULL, 'c' },
						      { 0 } };
	static char log[65536];
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)reflect,
		.insn_cnt = COUNT(reflect),
		.license = (uintptr_t)"GPL",
		.log_level = 1,
		.log_buf = (uintptr_t)log,
		.log_size = sizeof(log),
	};
	union bpf_attr link = { .link_create = { .attach_type = BPF_XDP, .flags = XDP_FLAGS_DRV_MODE } };
	const char *name;
	int option, transmits = 0;
	unsigned int kept = 0;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'f': load.prog_flags |= BPF_F_XDP_HAS_FRAGS; break;
		case 'r':
			load.insns = (uintptr_t)redirect;
			load.insn_cnt = COUNT(redirect);
			break;
		case 't': transmits = 1; break;
		case 'c': kept = number_argument("--cut", optarg); break;
		default: return USAGE_STATUS;
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr, "usage: xdp_reflect IFNAME [--frags] [--redirect | --transmit | --cut BYTES]\n");
		return USAGE_STATUS;
	}
	name = argv[optind];
	link.link_create.target_ifindex = if_nametoindex(name);
	if (!link.link_create.target_ifindex)
		fail("no interface is called '%s'", name);
	const struct bpf_insn transmit[] = {
		UNLESS_OURS_PASS(12),
		SWAP_ADDRESSES,
		REDIRECT(link.link_create.target_ifindex),
		RETURN(XDP_PASS),
	};
	const struct bpf_insn cut[] = {
		LOAD(BPF_W, BPF_REG_2, BPF_REG_1, 0), /* data */
		LOAD(BPF_W, BPF_REG_3, BPF_REG_1, 4), /* data_end */
		MOVE(BPF_REG_4, BPF_REG_2),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, LONG_BYTES),
		INSN(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 4, 0),
		SUBTRACT(BPF_REG_3, BPF_REG_2),
		SET(BPF_REG_2, kept),
		SUBTRACT(BPF_REG_2, BPF_REG_3),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_xdp_adjust_tail),
		RETURN(XDP_PASS),
	};
	if (kept) {
		load.insns = (uintptr_t)cut;
		load.insn_cnt = COUNT(cut);
	}
	if (transmits) {
		load.insns = (uintptr_t)transmit;
		load.insn_cnt = COUNT(transmit);
	}
	link.link_create.prog_fd = bpf(BPF_PROG_LOAD, &load);
	if ((int)link.link_create.prog_fd < 0)
		fail_errno("the kernel refuses the program: %s", log);
	if (bpf(BPF_LINK_CREATE, &link) < 0)
		fail_errno("%s does not take an XDP program", name);
	printf("{\"attached\":true}\n");
	fflush(stdout);
	pause();
	return 0;
}
