// SPDX-License-Identifier: GPL-2.0-only
/* Plays the part of QEMU that the instruction counter calls; test_plugin.py compiles and runs it. */
#define _GNU_SOURCE
#include "insn_count.c"
#include <assert.h>

static struct { unsigned char bytes[16]; size_t length; } insns[16];
static size_t insn_count;
static void *exec_data[16], *marks[16];
static int blocks_seen, marks_seen;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, plugin_translate_cb cb, void *data) {
	(void)id; (void)cb; (void)data;
}
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *b, plugin_execute_cb cb, int f, void *d) {
	(void)b; (void)cb; (void)f; exec_data[blocks_seen++] = d;
}
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *i, plugin_execute_cb cb, int f, void *d) {
	(void)i; (void)cb; (void)f; marks[marks_seen++] = d;
}
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *b) { (void)b; return insn_count; }
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *b, size_t i) {
	(void)b; return (void *)&insns[i];
}
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *i, void *to, size_t room) {
	size_t n = ((typeof(insns[0]) *)i)->length;
	assert(n <= room); memcpy(to, i, n); return n;
}
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *i) { (void)i; return 0x401000; }

static void add(const char *bytes, size_t length) {
	memcpy(insns[insn_count].bytes, bytes, length); insns[insn_count++].length = length;
}
#define ADD(text) add(text, sizeof(text) - 1)

int main(void) {
	char option[32], *argv[] = { option };
	int fd = memfd_create("x", 0);
	struct block *block;

	assert(!ftruncate(fd, 1 << 20));
	assert(qemu_plugin_install(1, NULL, 0, NULL) == -1);
	snprintf(option, sizeof(option), "memory=%d", fd);
	assert(!qemu_plugin_install(1, NULL, 1, argv));
	assert(header->magic == MAGIC);
	ADD("\x90");                             /* nop */
	ADD("\xf0\x48\x0f\xc1\x07");             /* lock xadd %rax,(%rdi) */
	ADD("\x3e\x48\x0f\xb1\x0f");             /* ds cmpxchg: its lock patched away */
	ADD("\x48\x87\x07");                     /* xchg %rax,(%rdi): locks by itself */
	ADD("\x48\x87\xc3");                     /* xchg %rax,%rbx: does not */
	ADD("\xf0\x83\x44\x24\xfc\x00");         /* lock addl $0,-4(%rsp): smp_mb() */
	ADD("\xf0\x83\x44\x24\xfc\x01");         /* lock addl $1,-4(%rsp): no barrier */
	ADD("\x0f\x1f\x84\x00TBW1");             /* opens a window */
	ADD("\x0f\x1f\x84\x00TBW0");             /* closes it */
	ADD("\xf3\x48\xa5");                     /* rep movsq */
	translate(NULL, NULL);
	block = exec_data[0];
	printf("%u %u %u %u\n", block->insns, block->locked, block->barriers, block->string_bytes);
	assert(marks_seen == 2 && marks[0] && !marks[1]);
	count(0, block);
	mark(0, marks[0]); count(1, block); count(0, block); mark(0, marks[1]);
	count(0, block);
	mark(0, marks[0]); count(0, block); mark(0, marks[1]);
	printf("%llu %llu %llu %llu\n", (unsigned long long)block->executed[0],
	       (unsigned long long)block->executed[1], (unsigned long long)header->waits,
	       (unsigned long long)header->closed);
	translate(NULL, NULL);
	assert(exec_data[1] == block);
	return 0;
}
