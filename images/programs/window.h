/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens and closes the window in which the TCG plugin counts instructions (images/plugins/insn_count.c): a NOP with a
 * mark in its displacement. Without the plugin, or on a real CPU, it does nothing.
 */
#ifndef TESTBED_WINDOW_H
#define TESTBED_WINDOW_H

#define WINDOW_MARK(last) asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 'T', 'B', 'W', " last ::: "memory")

static inline void open_window(void)
{
#ifdef __x86_64__
	WINDOW_MARK("'1'");
#endif
}

static inline void close_window(void)
{
#ifdef __x86_64__
	WINDOW_MARK("'0'");
#endif
}

#endif
