/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LIB_CONTIGUOUS_H
#define LIB_CONTIGUOUS_H

#include <stddef.h>

/*
 * *bytes of memory in pieces of `piece` bytes, a power of two of at least a page, each side by side in physical
 * memory: huge pages of 2 MiB, or where the kernel has none of these, blocks of a packet socket's ring. *bytes is
 * rounded up to whole huge pages, or pieces. Ends the program if there is no such memory.
 */
void *contiguous_memory(size_t *bytes, size_t piece);

#endif
