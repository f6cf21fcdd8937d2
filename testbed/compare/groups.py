# SPDX-License-Identifier: GPL-2.0-only
"""Which part of the stack a kernel function belongs to, by its name and module.

The first group whose pattern matches the whole name has it. What no pattern knows is in the last
one; functions.csv of a run names every function, so a misplaced one can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from testbed.compare.symbols import UNKNOWN, USER, Symbol

DRIVER, STACK, COPY, POOL = "driver", "GRO and TCP", "copy and zeroing", "page_pool"
SOCKET, PAGES, XARRAY = "io_uring and socket", "pages and page tables", "xarray"
USER_SPACE, OTHER = "user", "other kernel"

_PATTERNS: Sequence[tuple[str, str]] = (
    (
        COPY,
        r"_?copy_(to|from)_(iter|user).*|copy_page_to_iter.*|rep_(movs|stos)_alternative"
        r"|(__(pi_)?)?mem(cpy|set)(_orig)?|copyout.*|simple_copy_to_iter|__skb_datagram_iter"
        r"|skb_copy_(datagram|bits).*|_?_?check_object_size.*|check_stack_object|__virt_addr_valid"
        r"|check_heap_object|__check_heap_object|is_vmalloc_addr|clear_(high)?pages?.*",
    ),
    (
        POOL,
        r"_*page_pool_.*|_*netmem_.*|napi_pp_put_page|skb_pp_.*|io_pp_zc_.*|io_zcrx_(refill|ring_|"
        r"return_|get_free|put_niov|scrub|sync).*|mp_dmabuf_devmem_.*|_*net_devmem_(get|put|alloc|"
        r"free|dmabuf_alloc|dmabuf_free).*|net_mp_.*",
    ),
    (
        DRIVER,
        r"_*dma_(map|unmap|sync|direct).*|.*swiotlb.*|iommu_.*|net_rx_action|_*napi_(poll|complete|"
        r"schedule).*|napi_threaded.*|eth_type_trans|dql_.*|msi_.*|pci_msi_.*",
    ),
    (XARRAY, r"_*xa_.*|_*xas_.*|radix_tree_.*"),
    (
        PAGES,
        r"free_unref_.*|free_frozen_.*|_*rmqueue.*|mod_node_page_state|lruvec_stat_.*|folios_put.*"
        r"|_*alloc_pages.*|_*alloc_frozen_.*|get_page_from_freelist|get_pfnblock_.*|pfn_pte"
        r"|can_map_frag|.*uncharge.*|_*free_pages.*|_*free_one_page.*|__nr_to_section|"
        r"vm_insert_.*|insert_page.*|_*zap_.*|unmap_.*|.*tlb_.*|.*_tlb|_*pte_.*|_*p[gum4]d_.*"
        r"|_*folio_(add|remove|mark|put|lru|batch).*|.*_rmap.*|_*handle_mm_fault|tcp_zerocopy_vm_.*"
        r"|free_pages_and_swap.*|lock_vma.*|find_tcp_vma|find_vma.*|mas_.*|vma_.*|walk_to_pmd"
        r"|validate_page_before_insert|madvise_.*|set_pte.*|vm_normal_.*|free_swap_cache.*",
    ),
    (
        SOCKET,
        r"_*io_.*|_*sock_.*|_*sys_(recv|epoll|getsockopt|setsockopt|io_uring|send|recvmsg).*"
        r"|__(x64|se|do)_sys_(recv|epoll|getsockopt|setsockopt|io_uring|send|recvmsg).*|ep_.*"
        r"|_*do_epoll_.*|do_epoll_wait|do_syscall_64|entry_SYSCALL.*|syscall_.*|x64_sys_call"
        r"|.*_recvmsg(_locked)?|.*[gs]etsockopt.*|tcp_zerocopy_.*|tcp_peek_.*|tcp_read_sock.*"
        r"|tcp_splice_.*|fdget.*|fput.*|_*fget.*|_*task_work_.*|import_ubuf|move_addr_to_user"
        r"|tcp_poll|tcp_stream_memory_free|sockfd_.*|tcp_recv_.*|tcp_recvmsg.*|tcp_xa_.*"
        r"|_*skb_datagram.*|net_devmem_.*|put_cmsg.*",
    ),
    (
        STACK,
        r".*gro_.*|.*_gro|_*tcp_.*|_*tcp4_.*|tcpv?[46].*|_*ip_.*|_*ipv[46]_.*|_*inet_.*|_*skb_.*"
        r"|_*k?free_skb.*|_*kfree_skb.*|_*napi_.*|_*(netif|dev)_.*|_*(alloc|build)_skb.*|sk_.*|nf_.*"
        r"|raw_.*|neigh_.*|sch_.*|qdisc_.*|_*qdisc_.*|fq_codel.*|pfifo_.*|validate_xmit.*|fib_.*"
        r"|eth_.*|enqueue_to_backlog|process_backlog|consume_skb|release_sock|_*lock_sock.*"
        r"|_*release_sock|bictcp_.*|cubictcp_.*|rb_.*|minmax_.*|_*mod_timer.*|ktime_get_with.*"
        r"|packet_.*|__copy_skb_header|_*build_skb.*|_*sk_.*|security_.*|_*local_bh_.*"
        r"|kmem_cache_.*|_*kmalloc.*|kfree|_*slab_.*|csum_.*|xfrm.*|refcount_.*|rt_.*|ipcomp.*",
    ),
)
_MODULES = {"bnxt_en": DRIVER}
GROUPS = (COPY, DRIVER, POOL, STACK, SOCKET, XARRAY, PAGES, OTHER, USER_SPACE)
"""Every group, in the order of tables and plots."""

_COMPILED = tuple((group, re.compile(pattern)) for group, pattern in _PATTERNS)


@cache
def group_of(symbol: Symbol) -> str:
    """The group of a function."""
    if symbol.name == USER:
        return USER_SPACE
    if symbol.module in _MODULES:
        return _MODULES[symbol.module]
    if symbol.name != UNKNOWN:
        for group, pattern in _COMPILED:
            if pattern.fullmatch(symbol.name):
                return group
    return OTHER
