/* SPDX-License-Identifier: GPL-2.0-only */
/* Page pools as the kernel's "netdev" generic netlink family lists them (page-pool-get). */
#ifndef TESTBED_PAGE_POOLS_H
#define TESTBED_PAGE_POOLS_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/netlink.h"

#define ANY_INTERFACE UINT64_MAX

/* Writes the pools of an interface as the JSON list of netdev_dump; 0: of those whose interface has gone. `detached`,
 * unless NULL, tells whether the queue of one is gone while buffers are still out. Returns 0 or the errno; what was
 * written is no JSON then. Nothing is written where `out` is NULL. */
int list_page_pools(struct netlink *netlink, uint64_t ifindex, FILE *out, bool *detached);

/* NETDEV_A_IO_URING_PROVIDER_INFO_RX_BUF_LEN of a queue or page pool with an io_uring provider; 0 without. */
unsigned long long provider_buf_len(const struct attributes *attributes, unsigned int type);

#endif
