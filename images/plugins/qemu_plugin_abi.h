/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of QEMU's plugin interface that our plugins use. Debian ships no qemu-plugin.h; these are the exported
 * functions as documented in docs/devel/tcg-plugins.rst, interface version 7 (QEMU 11.1). QEMU refuses to load a
 * plugin whose version it does not serve.
 */
#ifndef TESTBED_QEMU_PLUGIN_ABI_H
#define TESTBED_QEMU_PLUGIN_ABI_H

#include <stddef.h>
#include <stdint.h>

#define PLUGIN_EXPORT __attribute__((visibility("default")))
#define PLUGIN_INTERFACE 7

enum { PLUGIN_CB_NO_REGS }; /* the callback reads no register of the vCPU */

struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef uint64_t plugin_id;
typedef void (*plugin_translate_cb)(struct qemu_plugin_tb *block, void *data);
typedef void (*plugin_execute_cb)(unsigned int cpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, plugin_translate_cb callback, void *data);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, plugin_execute_cb callback, int flags,
					  void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, plugin_execute_cb callback, int flags,
					    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *bytes, size_t room);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

#endif
