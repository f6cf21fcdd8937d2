# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that the kernel only prints, each in the kernel's exact words."""

from __future__ import annotations

import pytest

from testbed.findings.kernel_log import KernelLogWatcher, Splat
from testbed.findings.splat_report import reports

# The place in linux 7.2.12, and what it prints.
MESSAGES = [
    (Splat.PAGE_POOL, "net/core/page_pool.c:1127",
     "page_pool_empty_ring() page_pool refcnt 2 violation"),
    (Splat.PAGE_POOL, "net/core/page_pool.c:1127",
     "page_pool_empty_ring() page_pool refcnt -1 violation"),
    (Splat.PAGE_POOL, "net/core/page_pool.c:1234",
     "page_pool_release_retry() stalled pool shutdown: id 12, 3 inflight 60 sec"),
    (Splat.RX_CHECKSUM, "net/core/dev.c:3729", "bnxt_en 0000:01:00.0 nut0: hw csum failure"),
    (Splat.NETWORK, "net/core/dev.c:11754",
     "unregister_netdevice: waiting for nut0 to become free. Usage count = 2"),
    (Splat.NETWORK, "net/ipv4/tcp_input.c:219",
     "TCP: nut0: Driver has suspect GRO implementation, TCP performance may be compromised."),
    (Splat.NETWORK, "net/core/gro.c:751", "napi_frags_skb: dropping impossible skb from nut0"),
    (Splat.NETWORK, "net/core/dev.c:7831", "bnxt_en 0000:01:00.0 nut0: NAPI poll function"
     " bnxt_poll_p5+0x0/0x4d0 [bnxt_en] returned 65, exceeding its budget of 64."),
    (Splat.NETWORK, "net/core/dev.c:7867", "nut0: Budget exhausted after napi rescheduled"),
    (Splat.NETWORK, "net/core/dev.c:7892",
     "repoll requested for device nut0 bnxt_poll_p5 but napi is not scheduled."),
    (Splat.NETWORK, "include/linux/netdevice.h:4042",
     "nut0 selects TX queue 9, but real number of TX queues is 2"),
    (Splat.NETWORK, "net/core/dev.c:2611", "protocol 0800 is buggy, dev nut0"),
    (Splat.NETWORK, "net/core/dev.c:4965", "Virtual device lo asks to queue packet!"),
    (Splat.NETWORK, "net/core/dev.c:4973",
     "Dead loop on virtual device lo (net 1), fix it urgently!"),
    (Splat.NETWORK, "net/core/dev.c:667", "dev_remove_pack: 00000000ab54a98c not found"),
    (Splat.NETWORK, "net/core/gro.c:66", "dev_remove_offload: 00000000ab54a98c not found"),
    (Splat.NETWORK, "net/core/skbuff.c:5039", "skb_segment: too many frags: 65160 1448"),
    (Splat.NETWORK, "net/core/skbuff.c:5823",
     "skbuff: bad partial csum: csum=34/16 headroom=64 headlen=40"),
    (Splat.NETWORK, "net/core/skbuff.c:6936", "skbuff: Not enough bytes to eat. Want 66"),
    (Splat.NETWORK, "include/net/pkt_sched.h:291", "qfq_dequeue: netem qdisc 8001: is"
     " non-work-conserving?"),
    (Splat.NETWORK, "net/core/neighbour.c:921",
     "neighbour: Destroying alive neighbour 00000000ab54a98c"),
    (Splat.NETWORK, "net/core/neighbour.c:1895", "neighbour: neighbour leakage"),
    (Splat.NETWORK, "net/ipv4/tcp.c:2572", "TCP: Found non-dmabuf skb with net_iov"),
    (Splat.NETWORK, "net/ipv4/tcp.c:1634", "TCP: tcp_recv_skb: found a SYN, please report !"),
    (Splat.NETWORK, "net/ipv4/tcp_output.c:3894", "TCP: tcp_send_synack: wrong queue state"),
    (Splat.NETWORK, "net/ipv4/tcp_input.c:4976", "TCP: tcp_reset: Impossible, sk->sk_state=7"),
    (Splat.NETWORK, "net/ipv4/af_inet.c:150",
     "IPv4: Attempt to release TCP socket in state 1 00000000ab54a98c"),
    (Splat.NETWORK, "net/ipv4/af_inet.c:155",
     "IPv4: Attempt to release alive inet socket 00000000ab54a98c"),
    (Splat.NETWORK, "net/packet/af_packet.c:1348",
     "Attempt to release alive packet socket: 00000000ab54a98c"),
    (Splat.NETWORK, "lib/ref_tracker.c:312", "ref_tracker: reference already released."),
    (Splat.NETWORK, "lib/ref_tracker.c:167",
     "ref_tracker: netdev@ffff888004a2c5b8 has 1/1 users at"),
    (Splat.NETWORK, "lib/percpu-refcount.c:201",
     "percpu_ref_switch_to_atomic_rcu: percpu_ref_switch_to_atomic_rcu(): percpu_ref underflow"),
    (Splat.DMA_MAPPING, "kernel/dma/swiotlb.c:1430", "bnxt_en 0000:01:00.0: swiotlb buffer is full"
     " (sz: 4096 bytes), total 32768 (slots), used 32766 (slots)"),
    (Splat.DMA_MAPPING, "kernel/dma/swiotlb.c:748",
     "software IO TLB: Failed to allocate new pool"),
    (Splat.DMA_MAPPING, "kernel/dma/swiotlb.c:1407", "bnxt_en 0000:01:00.0: Can not allocate"
     " SWIOTLB buffer earlier and can't now provide you with the DMA bounce buffer"),
    (Splat.DMA_MAPPING, "kernel/dma/direct.c:95", "leaking DMA memory that can't be re-encrypted"),
    (Splat.DMA_MAPPING, "drivers/iommu/iommu.c:2636", "iommu: unaligned: iova 0xfffff800"
     " pa 0x0000000004321800 size 0x800 min_pagesz 0x1000"),
    (Splat.DMA_MAPPING, "drivers/iommu/iommu.c:2745",
     "iommu: unaligned: iova 0xfffff800 size 0x800 min_pagesz 0x1000"),
    (Splat.DMA_MAPPING, "drivers/iommu/dma-iommu.c:1176", "bnxt_en 0000:01:00.0: DMA bounce"
     " buffers are inactive, unable to map unaligned transaction."),
    (Splat.DMA_MAPPING, "drivers/iommu/intel/iommu.c:832", "DMAR: Flush IOTLB failed"),
    (Splat.DMA_MAPPING, "mm/dmapool.c:105",
     "bnxt_en 0000:01:00.0: dma_pool_alloc bnxt_hwrm, 00000000ab54a98c (corrupted)"),
    (Splat.DMA_MAPPING, "mm/dmapool.c:141",
     "bnxt_en 0000:01:00.0: dma_pool_free bnxt_hwrm, 00000000ab54a98c/0x4000 (bad dma)"),
    (Splat.DMA_MAPPING, "mm/dmapool.c:151",
     "bnxt_en 0000:01:00.0: dma_pool_free bnxt_hwrm, dma 0x0000000000004000 already free"),
    (Splat.DMA_MAPPING, "mm/dmapool.c:381",
     "bnxt_en 0000:01:00.0: dma_pool_destroy bnxt_hwrm busy"),
    (Splat.INTERRUPT, "kernel/irq/spurious.c:160",
     'irq 26: nobody cared (try booting with the "irqpoll" option)'),
    (Splat.INTERRUPT, "kernel/irq/spurious.c:158", "irq event 26: bogus return value ffffffff"),
    (Splat.INTERRUPT, "kernel/irq/manage.c:1820",
     "genirq: Flags mismatch irq 26. 00000000 (nut0-TxRx-0) vs. 00000000 (nut0-TxRx-0)"),
    (Splat.INTERRUPT, "kernel/softirq.c:625", "softirq: huh, entered softirq 3 NET_RX"
     " 00000000ab54a98c with preempt_count 00000100, exited with 00000101?"),
    (Splat.LOCKDEP, "kernel/locking/lockdep.c:1008", "INFO: trying to register non-static key."),
    (Splat.LOCKDEP, "kernel/locking/lockdep.c:6782", "WARNING: ip/46 still has locks held!"),
    (Splat.LOCKDEP, "kernel/locking/lockdep.c:6851",
     "WARNING: lock held when returning to user space!"),
    (Splat.LOCKDEP, "kernel/locking/lockdep.c:5076", "WARNING: Nested lock was not taken"),
    (Splat.LOCKDEP, "kernel/locking/lockdep.c:6053", "WARNING: bad contention detected!"),
    (Splat.LOCKDEP, "kernel/locking/lockdep.c:3673", "WARNING: chain_key collision"),
    (Splat.BUG, "fs/sysfs/dir.c:29", "sysfs: cannot create duplicate filename '/class/net/nut0'"),
    (Splat.BUG, "lib/kobject.c:347", "kobject: kobject (00000000ab54a98c): tried to init an"
     " initialized object, something is seriously wrong."),
    (Splat.BUG, "kernel/rcu/tree.c:3151",
     "__call_rcu_common(): Double-freed CB 00000000ab54a98c->bnxt_free+0x0/0x20()!!!  "),
    (Splat.DRIVER_ERROR, "bnxt.c:1629",
     "bnxt_en 0000:01:00.0 nut0: TPA cons 9, expected cons 8, error code 0"),
    (Splat.DRIVER_ERROR, "bnxt.c:1937",
     "bnxt_en 0000:01:00.0 nut0: TPA end agg_buf 3 != expected agg_bufs 2"),
    (Splat.DRIVER_ERROR, "bnxt.c:2921", "bnxt_en 0000:01:00.0 nut0: Unknown RX agg ring id 0x7"),
    (Splat.DRIVER_ERROR, "bnxt_hwrm.c:107", "bnxt_en 0000:01:00.0 nut0: null HWRM request"),
    (Splat.DRIVER_ERROR, "bnxt_hwrm.c:116",
     "bnxt_en 0000:01:00.0 nut0: HWRM sentinel mismatch, req_type = 80"),
    (Splat.DRIVER_ERROR, "bnxt_hwrm.c:288",
     "bnxt_en 0000:01:00.0 nut0: HWRM context already owned, req_type = 80"),
    (Splat.DRIVER_ERROR, "bnxt_hwrm.c:499", "bnxt_en 0000:01:00.0 nut0: Ring completions not"
     " supported for KONG commands, req_type = 80"),
    (Splat.DRIVER_ERROR, "bnxt_hwrm.c:803",
     "bnxt_en 0000:01:00.0 nut0: HWRM refusing to reallocate DMA slice, req_type = 80"),
    (Splat.DRIVER_ERROR, "bnxt.c:12857",
     "bnxt_en 0000:01:00.0 nut0: RESET_DONE not set during FW reset."),
    (Splat.DRIVER_ERROR, "bnxt.c:15417",
     "bnxt_en 0000:01:00.0 nut0: bnxt_fw_reset_task() called when not in fw reset mode!"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "line"), [pytest.param(kind, line, id=place) for kind, place, line in MESSAGES]
)
def test_hear_a_bug_that_is_only_printed(kind: Splat, line: str) -> None:
    (event,) = KernelLogWatcher().feed(f"[   12.345678] {line}\n".encode())
    assert event.kind is kind


def test_checksum_failure_names_who_took_the_packet() -> None:
    watcher = KernelLogWatcher()
    for text in (
        "bnxt_en 0000:01:00.0 nut0: hw csum failure",
        "skb len=1500 data_len=0 headroom=64 headlen=1500 tailroom=0",
        "Call Trace:",
        " dump_stack_lvl+0x5d/0x80",
        " __skb_checksum_complete+0xd6/0xe0",
        " tcp_v4_rcv+0x1d1/0x1180",
    ):
        watcher.feed(f"[   12.345678] {text}\n".encode())
    (report,) = reports(watcher.events)
    assert report.function == "tcp_v4_rcv"


def test_message_does_not_end_the_trace_around_it() -> None:
    watcher = KernelLogWatcher()
    for text in (
        "BUG: kernel NULL pointer dereference, address: 0000000000000010",
        "page_pool_empty_ring() page_pool refcnt 2 violation",
        "RIP: 0010:bnxt_rx_pkt+0xfe/0x1b20 [bnxt_en]",
    ):
        watcher.feed(f"[   12.345678] {text}\n".encode())
    oops, message = watcher.events
    assert (message.kind, "bnxt_rx_pkt" in oops.excerpt[-1]) == (Splat.PAGE_POOL, True)
