// SPDX-License-Identifier: GPL-2.0-only
/*
 * User Mode Linux: an access of the kernel to a page of the vmalloc area that is not mapped is repeated for ever. A BPF program
 * has bpf_snprintf() read one, which copy_from_kernel_nofault() has to refuse.
 *
 * gcc -O2 reproduce.c -o reproduce     Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
 * Needs root, two CPUs, and no network card: the one that reads does nothing else any more.
 */
#define _GNU_SOURCE
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define INSN(c, d, s, o, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (int)(i) }
#define MOV(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD(d, i) INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define SET(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define LOAD(d, kind, low, high) INSN(BPF_LD | BPF_DW | BPF_IMM, d, kind, 0, low), INSN(0, 0, 0, 0, high)
#define STORE(d, s, o) INSN(BPF_STX | BPF_DW | BPF_MEM, d, s, o, 0)

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* The page behind an area, which is kept free; 0 if none can be found. */
static unsigned long unmapped(void)
{
	FILE *restriction = fopen("/proc/sys/kernel/kptr_restrict", "w"), *areas;
	unsigned long from, to;
	char line[512];

	if (restriction) {
		fputs("1\n", restriction);
		fclose(restriction);
	}
	areas = fopen("/proc/vmallocinfo", "r");
	while (areas && fgets(line, sizeof(line), areas))
		if (strstr(line, " vmalloc") && sscanf(line, "0x%lx-0x%lx", &from, &to) == 2 && to > from)
			return to - getpagesize();
	return 0;
}

static int use_cpu(int number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

int main(void)
{
	static const char format[8] = "%pi4", license[] = "GPL";
	unsigned long address = unmapped();
	char frame[64] = "", log[4096] = "";
	union bpf_attr attr;
	int map, program, key = 0, wait, status;
	pid_t child;

	if (use_cpu(1) || use_cpu(0)) {
		puts("SKIP: there is one CPU only, which would hang");
		return 4;
	}
	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = sizeof(key);
	attr.value_size = sizeof(format);
	attr.max_entries = 1;
	attr.map_flags = BPF_F_RDONLY_PROG;
	map = bpf(BPF_MAP_CREATE, &attr);
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = (unsigned long)&key;
	attr.value = (unsigned long)format;
	if (!address || map < 0 || bpf(BPF_MAP_UPDATE_ELEM, &attr)) {
		puts("SKIP: no /proc/vmallocinfo, or no BPF");
		return 4;
	}
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	bpf(BPF_MAP_FREEZE, &attr);

	struct bpf_insn insns[] = {
		LOAD(6, 0, address, address >> 32),
		STORE(10, 6, -8),
		MOV(1, 10),
		ADD(1, -24),
		SET(2, 16),
		LOAD(3, BPF_PSEUDO_MAP_VALUE, map, 0),
		MOV(4, 10),
		ADD(4, -8),
		SET(5, 8),
		SET(0, 0),
		STORE(10, 0, -24),
		STORE(10, 0, -16),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_snprintf),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (unsigned long)insns;
	attr.insn_cnt = sizeof(insns) / sizeof(insns[0]);
	attr.license = (unsigned long)license;
	attr.log_buf = (unsigned long)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	program = bpf(BPF_PROG_LOAD, &attr);
	if (program < 0) {
		printf("SKIP: the program is refused: %s\n", log);
		return 4;
	}
	printf("reading %#lx\n", address);
	fflush(stdout);
	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = program;
	attr.test.data_in = (unsigned long)frame;
	attr.test.data_size_in = sizeof(frame);
	child = fork();
	if (!child)
		_exit(use_cpu(1) || bpf(BPF_PROG_TEST_RUN, &attr) ? 4 : 0);
	for (wait = 0; wait < 100; wait++) {
		usleep(100000);
		if (waitpid(child, &status, WNOHANG) != child)
			continue;
		if (status) {
			puts("SKIP: the program cannot be run");
			return 4;
		}
		puts("absent: the kernel has refused to read there");
		return 0;
	}
	puts("SHOWN: the kernel has been reading for ten seconds");
	return 1;
}
