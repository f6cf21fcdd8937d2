// SPDX-License-Identifier: GPL-2.0-only
/*
 * insn_count.so,memory=FD
 *
 * Counts what an x86-64 guest executes, by translation block, in the shared memory FD, while a program of the guest
 * says so: two forms of the 8-byte NOP (images/programs/receive_cost.c) open and close a window, so that nothing outside
 * has to be timed. Each window has counters of its own; the reader (testbed/compare/counts.py) clears them.
 *
 * A block is known by its address and its number of instructions. Of each it is noted how many are locked (a LOCK
 * prefix, or XCHG with memory, which locks by itself), how many of these are full barriers (LOCK ADD or OR of zero on
 * the stack: Linux's smp_mb()), and whether it ends in a repeated string instruction and of which width. Under -icount
 * each repetition is a block of its own; without, a whole REP MOVS counts as one instruction: the copy disappears.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "qemu_plugin_abi.h"

PLUGIN_EXPORT int qemu_plugin_version = PLUGIN_INTERFACE;

#define MAGIC 0x31544e434e534e49ULL /* "INSNCNT1" */
#define WINDOWS 8
#define INSN_BYTES_MAX 15
#define FIRST_BLOCK 4096

struct header {
	uint64_t interrupts; /* the card counts what it has sent to QEMU */
	uint64_t magic;
	uint64_t capacity; /* slots, a power of two */
	uint64_t used;
	uint64_t lost; /* executions in a window that could not be counted: no slot or window left */
	uint64_t opened, closed;
	uint64_t progress; /* blocks executed in windows */
	uint64_t waits; /* for QEMU's main loop */
};

struct block {
	uint64_t address; /* 0: free slot */
	uint32_t insns;
	uint16_t locked, barriers;
	uint32_t string_bytes; /* 1, 2, 4, 8: ends in a repeated string instruction of that width */
	uint32_t unused;
	uint64_t executed[WINDOWS];
};

static struct header *header;
static struct block *blocks;
static bool is_open;
static uint64_t window, interrupts_seen;
static int main_thread; /* its "stat" in /proc */

static const unsigned char MARK[] = { 0x0f, 0x1f, 0x84, 0x00, 'T', 'B', 'W' }; /* nopl disp32(%rax,%rax,1) */

struct facts {
	bool locked, barrier;
	unsigned int string_bytes;
};

static bool is_legacy_prefix(unsigned char byte)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: case 0x66: case 0x67:
	case 0xf0: case 0xf2: case 0xf3:
		return true;
	}
	return false;
}

/* One instruction of 64-bit code: Intel SDM volume 2, chapter 2. */
static struct facts inspect(const unsigned char *bytes, size_t length)
{
	struct facts facts = { 0 };
	bool lock = false, repeat = false, wide = false, narrow = false;
	size_t at = 0;

	for (; at < length && is_legacy_prefix(bytes[at]); at++) {
		lock |= bytes[at] == 0xf0;
		repeat |= bytes[at] == 0xf2 || bytes[at] == 0xf3;
		narrow |= bytes[at] == 0x66;
	}
	if (at < length && (bytes[at] & 0xf0) == 0x40)
		wide = bytes[at++] & 8;
	if (at >= length)
		return facts;
	facts.locked = lock;
	if ((bytes[at] == 0x86 || bytes[at] == 0x87) && at + 1 < length && bytes[at + 1] >> 6 != 3)
		facts.locked = true;
	/* 83 /0 ib (ADD) or 83 /1 ib (OR) with an immediate of 0 on [rsp + disp8], or on [rsp]. */
	if (lock && bytes[at] == 0x83 && at + 3 < length && (bytes[at + 1] & 0x37) == 0x04 && bytes[at + 2] == 0x24)
		facts.barrier = bytes[length - 1] == 0;
	if (repeat) {
		switch (bytes[at]) {
		case 0xa4: case 0xaa: /* MOVSB, STOSB */
			facts.string_bytes = 1;
			break;
		case 0xa5: case 0xab:
			facts.string_bytes = wide ? 8 : narrow ? 2 : 4;
		}
	}
	return facts;
}

static struct block *find(uint64_t address, uint32_t insns)
{
	uint64_t mask = header->capacity - 1;
	uint64_t at = ((address * 0x9e3779b97f4a7c15ULL) >> 20) + insns;

	for (uint64_t tries = 0; tries < header->capacity; tries++) {
		struct block *block = &blocks[(at + tries) & mask];

		if (block->address == address && block->insns == insns)
			return block;
		if (!block->address) {
			if (header->used >= header->capacity / 2)
				return NULL;
			header->used++;
			block->address = address;
			block->insns = insns;
			return block;
		}
	}
	return NULL;
}

/*
 * The card signals an interrupt before it answers the register write that caused it, but QEMU's main loop hands it to
 * the vCPU when the host gets round to it. Until that thread sleeps again the guest stands still, so that the
 * interrupt comes at the same instruction however busy the host is. A thread is runnable from the moment it is
 * signalled, so there is no gap in which it would seem to sleep. The caller holds none of QEMU's locks.
 */
static void wait_for_main_loop(void)
{
	static const struct timespec pause = { .tv_nsec = 20000 };
	char text[256];
	const char *state;
	ssize_t length;

	header->waits++;
	for (;;) {
		length = pread(main_thread, text, sizeof(text) - 1, 0);
		if (length <= 0)
			return;
		text[length] = 0;
		state = strrchr(text, ')');
		if (state && state[1] && state[2] == 'S')
			return;
		nanosleep(&pause, NULL);
	}
}

static void count(unsigned int cpu, void *data)
{
	uint64_t interrupts = __atomic_load_n(&header->interrupts, __ATOMIC_ACQUIRE);

	(void)cpu; /* the vCPU for which the block was translated: with one thread for all, not the one that runs */
	if (interrupts != interrupts_seen) {
		interrupts_seen = interrupts;
		wait_for_main_loop();
	}
	if (!is_open)
		return;
	header->progress++;
	if (data && window < WINDOWS)
		((struct block *)data)->executed[window]++;
	else
		header->lost++;
}

static void mark(unsigned int cpu, void *data)
{
	(void)cpu;
	is_open = data;
	if (is_open)
		window = __atomic_fetch_add(&header->opened, 1, __ATOMIC_RELEASE);
	else
		__atomic_fetch_add(&header->closed, 1, __ATOMIC_RELEASE);
}

static void translate(struct qemu_plugin_tb *tb, void *data)
{
	size_t insns = qemu_plugin_tb_n_insns(tb);
	struct facts total = { 0 };
	unsigned int locked = 0, barriers = 0;
	struct block *block;

	(void)data;
	for (size_t i = 0; i < insns; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		unsigned char bytes[INSN_BYTES_MAX];
		size_t length = qemu_plugin_insn_data(insn, bytes, sizeof(bytes));

		total = inspect(bytes, length);
		locked += total.locked;
		barriers += total.barrier;
		if (length == 8 && !memcmp(bytes, MARK, sizeof(MARK)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, PLUGIN_CB_NO_REGS,
							       bytes[7] == '1' ? header : NULL);
	}
	if (!insns)
		return;
	block = find(qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)), insns);
	if (block) {
		block->locked = locked;
		block->barriers = barriers;
		block->string_bytes = total.string_bytes; /* a repeated instruction ends its block */
	}
	qemu_plugin_register_vcpu_tb_exec_cb(tb, count, PLUGIN_CB_NO_REGS, block);
}

PLUGIN_EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	struct stat status;
	unsigned char *memory;
	char path[64];
	uint64_t slots;
	int fd = -1;

	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "memory=", 7))
			fd = atoi(argv[i] + 7);
	if (fd < 0 || fstat(fd, &status) || status.st_size < 2 * FIRST_BLOCK) {
		fprintf(stderr, "insn_count: memory=FD must name shared memory\n");
		return -1;
	}
	memory = mmap(NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		perror("insn_count: mmap");
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	main_thread = open(path, O_RDONLY | O_CLOEXEC);
	if (main_thread < 0) {
		perror("insn_count: the main thread's state");
		return -1;
	}
	header = (void *)memory;
	blocks = (void *)(memory + FIRST_BLOCK);
	slots = (status.st_size - FIRST_BLOCK) / sizeof(struct block);
	for (header->capacity = 1; header->capacity * 2 <= slots;)
		header->capacity *= 2;
	header->magic = MAGIC;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate, NULL);
	return 0;
}
