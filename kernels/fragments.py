# SPDX-License-Identifier: GPL-2.0-only
"""What our kernels are configured with, and why: groups of Kconfig options as data.

The base is `allnoconfig`, so whatever is on is requested here, selected by something that is, or
an EXPERT default. `since` is the first kernel that has the options of a group; a group that is
too new for a source is left out, and the build says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kernels.version import KernelVersion

UML_PCI_VIRTIO_ID = 1234
"""The virtio device id of PCI over virtio: it has none of its own, the transport must agree."""


@dataclass(frozen=True)
class Group:
    """Options wanted together. Values as in a .config: "y", "m", "n", a number, a string."""

    name: str
    reason: str
    options: Mapping[str, str]
    since: KernelVersion | None = None


def _on(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "y")


GUEST = (
    Group(
        "base",
        "a 64-bit kernel without the choices that EXPERT and DEBUG_KERNEL open up",
        {**_on("64BIT"), "EXPERT": "n", "LOCALVERSION_AUTO": "n"},
    ),
    Group(
        "programs",
        "what init, shells, Python and ip need: ELF and scripts, a clock that does not round up "
        "to ticks (without HIGH_RES_TIMERS a lost HWRM answer costs 4000 s of guest time)",
        _on(
            *("BINFMT_ELF", "BINFMT_SCRIPT", "SYSVIPC", "POSIX_TIMERS", "INOTIFY_USER"),
            *("HIGH_RES_TIMERS", "NO_HZ_IDLE", "CGROUPS", "NAMESPACES", "NET_NS", "PID_NS"),
            *("USER_NS", "UTS_NS", "IPC_NS", "MEMFD_CREATE", "FHANDLE", "TTY", "UNIX98_PTYS"),
        ),
    ),
    Group(
        "files",
        "an initramfs, device nodes without udev, tmpfs, and the guest's erofs image under overlay",
        _on(
            *("BLK_DEV_INITRD", "RD_GZIP", "DEVTMPFS", "DEVTMPFS_MOUNT", "PROC_FS", "SYSCTL"),
            *("SYSFS", "SHMEM", "TMPFS", "TMPFS_XATTR", "BLOCK", "BLK_DEV", "MISC_FILESYSTEMS"),
            *("EROFS_FS", "OVERLAY_FS", "DEBUG_FS"),
        ),
    ),
    Group(
        "traces",
        "symbol names in every trace, the configuration readable at /proc/config.gz",
        _on("PRINTK_TIME", "KALLSYMS", "BUG", "DEBUG_BUGVERBOSE", "IKCONFIG", "IKCONFIG_PROC"),
    ),
    Group(
        "ip",
        "both IP versions, AF_PACKET, namespaces, TUN and VETH, busy polling (zcrx depends on it)",
        _on(
            *("NET", "UNIX", "PACKET", "INET", "IPV6", "NETDEVICES", "NET_CORE", "TUN", "VETH"),
            *("DUMMY", "VLAN_8021Q", "BPF_SYSCALL", "NET_SCHED", "INET_DIAG", "PACKET_DIAG"),
            *("UNIX_DIAG", "ETHTOOL_NETLINK", "IP_ADVANCED_ROUTER", "IP_MULTIPLE_TABLES"),
        ),
    ),
    Group(
        "leases",
        "netkit, the virtual device that queues of a NIC are leased to",
        _on("NETKIT"),
        since=KernelVersion(6, 7),
    ),
    Group("nic", "what the driver under test depends on", _on("ETHERNET", "NET_VENDOR_BROADCOM")),
    Group(
        "send",
        "byte queue limits: a driver has to keep account of the bytes in its rings",
        _on("BQL"),
    ),
    Group(
        "receive",
        "io_uring, page_pool with its counters; SYNC_FILE is the small way to dma-buf, which "
        "device memory TCP and udmabuf depend on",
        _on("IO_URING", "EPOLL", "PAGE_POOL_STATS", "SYNC_FILE", "UDMABUF"),
    ),
    Group(
        "device memory",
        "never set, only checked: they follow from the options above",
        _on("NET_DEVMEM"),
        since=KernelVersion(7, 0),
    ),
    Group(
        "zcrx",
        "zero-copy receive, checked likewise",
        _on("IO_URING_ZCRX"),
        since=KernelVersion(6, 15),
    ),
    Group(
        "virtio",
        "the remote endpoint's NIC, a disk, a console and the agent's port",
        _on("VIRTIO_MENU", "VIRTIO_NET", "VIRTIO_BLK", "VIRTIO_CONSOLE", "HW_RANDOM"),
    ),
)

UML = (
    Group(
        "uml",
        "a console on file descriptors, disks from files, the management console for hot-plug; "
        "no HOSTFS: the guest must not see the host's files",
        {**_on("STDERR_CONSOLE", "NULL_CHAN", "MCONSOLE", "BLK_DEV_UBD"), "HOSTFS": "n"},
    ),
    Group("driver", "built in: a boot is one file, and nothing is left to load", {"BNXT": "y"}),
    Group(
        "parts of the driver",
        "what every distribution has it built with: clock, temperature, classes of service, "
        "tunnels and tc rules that the card knows",
        _on(
            *("PTP_1588_CLOCK", "HWMON", "BNXT_HWMON", "DCB", "BNXT_DCB", "NET_SCH_MQPRIO"),
            *("VXLAN", "GENEVE", "NET_SWITCHDEV", "BNXT_FLOWER_OFFLOAD", "NET_SCH_INGRESS"),
            *("NET_CLS_ACT", "NET_CLS_FLOWER", "NET_ACT_GACT", "NET_ACT_MIRRED", "NET_ACT_VLAN"),
            *("NET_ACT_PEDIT", "NET_ACT_TUNNEL_KEY"),
        ),
    ),
    Group(
        "virtual functions",
        "SR-IOV, which the card can show here and nowhere else (docs/sriov.md)",
        _on("PCI_IOV", "BNXT_SRIOV"),
    ),
    Group(
        "uml card",
        "PCI devices behind a vhost-user socket",
        {
            **_on("VIRTIO_UML", "UML_PCI_OVER_VIRTIO"),
            "UML_PCI_OVER_VIRTIO_DEVICE_ID": str(UML_PCI_VIRTIO_ID),
        },
    ),
)

UML_UP = (
    Group(
        "simulated time",
        "runs that repeat bit for bit; time travel excludes SMP",
        {**_on("UML_TIME_TRAVEL_SUPPORT"), "SMP": "n"},
    ),
)

UML_SMP = (
    Group(
        "several CPUs",
        "what simulated time excludes: aRFS and ntuple filters, affinity hints, real races",
        {**_on("SMP", "RFS_ACCEL", "RPS", "XPS"), "NR_CPUS": "8"},
    ),
)

LINES = Group(
    "lines",
    "line numbers for reports; reduced, it has no local variables, a seventh less to compile and "
    "half the size",
    _on("DEBUG_KERNEL", "DEBUG_INFO_DWARF5", "DEBUG_INFO_REDUCED"),
)

SANITIZERS = (
    LINES,
    Group("stack", "instrumented functions need larger stacks", {"FRAME_WARN": "0"}),
    Group(
        "kasan",
        "memory errors; inline checks halve their cost, KASAN_VMALLOC covers the agg rings",
        _on("KASAN", "KASAN_GENERIC", "KASAN_INLINE", "KASAN_VMALLOC", "STACKTRACE"),
    ),
    Group(
        "ubsan",
        "array bounds (skb frags, rings), enums, booleans, shifts",
        _on("UBSAN", "UBSAN_BOUNDS", "UBSAN_SHIFT", "UBSAN_BOOL", "UBSAN_ENUM"),
    ),
    Group(
        "kmemleak",
        "memory lost on error paths; the early pool is sized for a kernel with lockdep",
        {**_on("DEBUG_KMEMLEAK"), "DEBUG_KMEMLEAK_MEM_POOL_SIZE": "16000"},
    ),
    Group(
        "locks",
        "lockdep, sleeping in atomic context, leaked references to network devices",
        _on(
            *("PROVE_LOCKING", "DEBUG_ATOMIC_SLEEP", "DEBUG_LIST", "DEBUG_SG"),
            *("NET_DEV_REFCNT_TRACKER", "NET_NS_REFCNT_TRACKER", "DEBUG_NET"),
        ),
    ),
    Group(
        "dma",
        "mappings leaked, unmapped twice or with another size; poisoned free pages show "
        "what the device writes into a page it has given back",
        _on("DMA_API_DEBUG", "PAGE_POISONING", "PAGE_EXTENSION"),
    ),
    Group(
        "fault injection",
        "failing allocations, adjusted through debugfs",
        _on(
            *("FAULT_INJECTION", "FAULT_INJECTION_DEBUG_FS", "FAILSLAB", "FAIL_PAGE_ALLOC"),
            *("FAULT_INJECTION_USERCOPY",),
        ),
    ),
)

UML_SANITIZERS = (
    *SANITIZERS,
    Group(
        "frames",
        "with frame pointers UML marks which frames of a trace are real; without, all are guesses",
        _on("FRAME_POINTER"),
    ),
    Group(
        "failing callers",
        "allocations that fail only below a function that is named: it takes traces of the stack",
        _on("FAULT_INJECTION_STACKTRACE_FILTER"),
    ),
)

PC = Group(
    "pc",
    "what a q35 machine, its boot and its power button need; PCI_MMCONFIG reaches extended "
    "capabilities",
    {
        **_on(
            *("SMP", "PCI", "PCIEPORTBUS", "HOTPLUG_PCI", "HOTPLUG_PCI_PCIE", "PCI_MSI"),
            *("ACPI", "SERIAL_8250", "SERIAL_8250_CONSOLE", "VIRTIO_PCI", "VIRTIO_FS"),
            *("FUSE_FS", "X86_X2APIC", "HYPERVISOR_GUEST", "PARAVIRT"),
            *("RTC_CLASS", "RTC_DRV_CMOS", "RELOCATABLE", "HPET_TIMER"),
            *("HW_RANDOM_VIRTIO", "PCIEAER", "PCI_MMCONFIG", "ACPI_BUTTON"),
        ),
        "NR_CPUS": "8",
    },
)
MODULES = Group(
    "driver",
    "a module as in Debian's kernels, loaded and unloaded by the same commands; netdevsim "
    "is a software device to compare with",
    {**_on("MODULES", "MODULE_UNLOAD"), "BNXT": "m", "NETDEVSIM": "m"},
)
IOMMU = Group(
    "iommu",
    "the machine's vIOMMU",
    _on("IOMMU_SUPPORT", "INTEL_IOMMU", "INTEL_IOMMU_DEFAULT_ON", "IRQ_REMAP"),
)
HUGE_PAGES = Group("huge pages", "areas of huge pages", _on("HUGETLBFS", "TRANSPARENT_HUGEPAGE"))
RFS = Group("rfs", "aRFS and queue placement", _on("RFS_ACCEL", "RPS", "XPS"))

QEMU = (
    PC,
    MODULES,
    IOMMU,
    HUGE_PAGES,
    RFS,
    Group(
        "dma",
        "the kernel's own account of mappings, to compare with the card's; it costs little",
        _on("DEBUG_KERNEL", "DMA_API_DEBUG"),
    ),
)

QEMU_DEBUG = (
    *SANITIZERS,
    PC,
    MODULES,
    IOMMU,
    Group("pages", "use of a free page is a fault", _on("DEBUG_PAGEALLOC")),
    Group(
        "iommu pages",
        "a page that is freed while the IOMMU still maps it",
        _on("IOMMU_DEBUG_PAGEALLOC"),
        since=KernelVersion(7, 0),
    ),
    Group("coverage", "code coverage of system calls", _on("KCOV", "KCOV_INSTRUMENT_ALL")),
    Group(
        "function faults",
        "functions of the driver that return errors; UML has no kprobes and so cannot do this",
        _on("KPROBES", "FUNCTION_ERROR_INJECTION", "FAIL_FUNCTION"),
    ),
    HUGE_PAGES,
    RFS,
)
