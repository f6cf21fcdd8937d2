/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included ahead of arch/um/kernel/stacktrace.c, UML's own, in kernels with sanitizers (make
 * CFLAGS_stacktrace.o="-include ..." in that folder).
 *
 * KASAN, KMEMLEAK, lockdep and the reference trackers save a stack trace of each object. For one
 * save_stack_trace() of 7.2 looks at each word up to the end of the stack, whether it could be the
 * address of some code, with a look at RCU, modules, probes and programs of BPF; and then keeps what
 * the chain of frame pointers leads to. Here it follows that chain alone. What prints a trace still
 * looks at all. This kernel has neither modules nor probes nor a JIT: its own text is all its code.
 */
#if defined(CONFIG_FRAME_POINTER) && !defined(CONFIG_MODULES)

#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/stacktrace.h>
#include <asm/sections.h>
#include <asm/stacktrace.h>

static inline bool is_own_text(unsigned long addr)
{
	return (addr >= (unsigned long)_stext && addr < (unsigned long)_etext) ||
	       (addr >= (unsigned long)_sinittext && addr < (unsigned long)_einittext);
}

void save_stack_trace(struct stack_trace *trace)
{
	struct pt_regs *regs = current->thread.segv_regs;
	unsigned long bp = get_frame_pointer(current, regs);
	unsigned long least = (unsigned long)get_stack_pointer(current, regs);
	unsigned long end = ALIGN(least + 1, THREAD_SIZE) - sizeof(struct stack_frame);

	while (trace->nr_entries < trace->max_entries) {
		struct stack_frame *frame = (struct stack_frame *)bp;
		unsigned long addr;

		if (bp < least || bp > end || !IS_ALIGNED(bp, sizeof(bp)))
			return;
		addr = READ_ONCE_NOCHECK(frame->return_address);
		if (!is_own_text(addr))
			return;
		trace->entries[trace->nr_entries++] = addr;
		least = bp + sizeof(*frame);
		bp = (unsigned long)READ_ONCE_NOCHECK(frame->next_frame);
	}
}
EXPORT_SYMBOL_GPL(save_stack_trace);

#define save_stack_trace save_stack_trace_of_all_words

#endif
