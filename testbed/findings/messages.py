# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that the kernel reports by a message alone, without WARN: regular expressions of its words.

Each names the place in linux 7.2.12 that prints it. Of page_pool, the networking core, TCP, the
DMA and IOMMU layers, interrupts and bnxt_en every message of level warning or worse was read.
Those that only answer a caller (`page_pool_create_percpu() gave up with errno -12`), that tell of
low memory (`init'ed rx ring 0 with 12/511 skbs only`) or of a setting are not here. io_uring has
no message: it warns by WARN, which is read elsewhere.
"""

from __future__ import annotations

PAGE_POOL = (
    r"page_pool refcnt -?\d+ violation",  # net/core/page_pool.c:1127
    r"stalled pool shutdown: id \d+",  # net/core/page_pool.c:1234
)
RX_CHECKSUM = (
    r": hw csum failure",  # net/core/dev.c:3729: software found what hardware called good wrong
)
NETWORK = (
    r"unregister_netdevice: waiting for \S+ to become free",  # net/core/dev.c:11754
    r"Driver has suspect GRO implementation",  # net/ipv4/tcp_input.c:219
    r"dropping impossible skb from",  # net/core/gro.c:751
    r"NAPI poll function .* exceeding its budget",  # net/core/dev.c:7831
    r"Budget exhausted after napi rescheduled",  # net/core/dev.c:7867
    r"repoll requested for device .* napi is not scheduled",  # net/core/dev.c:7892
    r"selects TX queue \d+, but real number of TX queues",  # include/linux/netdevice.h:4042
    r"protocol [0-9a-f]{4} is buggy, dev",  # net/core/dev.c:2611
    r"Virtual device \S+ asks to queue packet",  # net/core/dev.c:4965
    r"Dead loop on virtual device",  # net/core/dev.c:4973
    r"dev_remove_(pack|offload): \S+ not found",  # net/core/dev.c:667, net/core/gro.c:66
    r"skb_segment: too many frags",  # net/core/skbuff.c:5039
    r"bad partial csum: csum=",  # net/core/skbuff.c:5823
    r"Not enough bytes to eat\. Want",  # net/core/skbuff.c:6936
    r"qdisc [0-9A-F]+: is non-work-conserving",  # include/net/pkt_sched.h:291
    r"Destroying alive neighbour|neighbour leakage",  # net/core/neighbour.c:921, 1895
    r"Found non-dmabuf skb with net_iov",  # net/ipv4/tcp.c:2572
    r"found a SYN, please report",  # net/ipv4/tcp.c:1634, 2739
    r"TCP: \w+: wrong queue state",  # net/ipv4/tcp_output.c:3894
    r"Impossible, sk->sk_state=",  # net/ipv4/tcp_input.c:4976
    r"Attempt to release TCP socket in state",  # net/ipv4/af_inet.c:150
    r"Attempt to release alive (inet|packet) socket",  # af_inet.c:155, net/packet/af_packet.c:1348
    r"ref_tracker: (reference already released|.* users at$)",  # lib/ref_tracker.c:312, 167
    r"percpu_ref underflow",  # lib/percpu-refcount.c:201
)
DMA_MAPPING = (
    r"swiotlb buffer is full",  # kernel/dma/swiotlb.c:1430
    r"software IO TLB: Failed to allocate new pool",  # kernel/dma/swiotlb.c:748
    r"Can not allocate SWIOTLB buffer earlier",  # kernel/dma/swiotlb.c:1407
    r"leaking DMA memory that can't be re-encrypted",  # kernel/dma/direct.c:95
    r"unaligned: iova 0x[0-9a-f]+ ",  # drivers/iommu/iommu.c:2636, 2745
    r"DMA bounce buffers are inactive",  # drivers/iommu/dma-iommu.c:1176
    r"DMAR: Flush IOTLB failed",  # drivers/iommu/intel/iommu.c:832
    r"dma_?pool_\w+ .*(\(corrupted\)|\(bad dma\)|already free)",  # mm/dmapool.c:105, 141, 151
    r"dma_pool_destroy \S+ busy",  # mm/dmapool.c:381
)
INTERRUPT = (
    r"irq \d+: nobody cared",  # kernel/irq/spurious.c:160
    r"irq event \d+: bogus return value",  # kernel/irq/spurious.c:158
    r"Flags mismatch irq \d+\.",  # kernel/irq/manage.c:1820
    r"huh, entered softirq",  # kernel/softirq.c:625
)
LOCKING = (  # kernel/locking/lockdep.c
    r"INFO: trying to register non-static key",  # :1008
    r"WARNING: chain_key collision",  # :3673
    r"WARNING: Nested lock was not taken",  # :5076
    r"WARNING: bad contention detected",  # :6053
    r"WARNING: \S+/\d+ still has locks held",  # :6782
    r"WARNING: lock held when returning to user space",  # :6851
)
OBJECT = (
    r"sysfs: cannot create duplicate filename",  # fs/sysfs/dir.c:29
    r"kobject .*something is seriously wrong",  # lib/kobject.c:347, 420
    r"Double-freed CB",  # kernel/rcu/tree.c:3151
)
DRIVER = (  # behind "bnxt_en <address>"; drivers/net/ethernet/broadcom/bnxt/
    r"(!=|,) expected ",  # bnxt.c:1629, 1937, 2226: completions of other buffers than were posted
    r"Unknown RX agg ring id",  # bnxt.c:2921
    r"null HWRM request|HWRM (sentinel mismatch|context already owned"  # bnxt_hwrm.c:107, 116, 288
    r"|refusing to reallocate)",  # bnxt_hwrm.c:803
    r"Ring completions not supported for KONG",  # bnxt_hwrm.c:499
    r"called when not in fw reset mode",  # bnxt.c:15417
    r"RESET_DONE not set during FW reset",  # bnxt.c:12857
)
