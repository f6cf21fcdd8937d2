/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may still hold what the driver gave away. */
#ifndef TESTBED_HOLDERS_H
#define TESTBED_HOLDERS_H

#include <stdbool.h>

/* A page pool without its queue that has pages out, a socket without a program, a ring of io_uring that is being taken
 * down, or a task that waits uninterruptibly. NULL: nobody. Where the kernel does not say, somebody does. */
const char *who_holds(void);

/* Whether a page pool whose interface has gone has pages out; false if the kernel does not say. */
bool is_orphan_detached(void);

/* Writes the pools whose interface has gone, as `netdev_dump --pool-stats` does; no JSON if the kernel does not say. */
void write_orphans(void);

#endif
