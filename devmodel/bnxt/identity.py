# SPDX-License-Identifier: GPL-2.0-only
"""What the card says it is: versions, limits and capabilities, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from devmodel.bnxt.hsi.cfa import AdvFlowFlags
from devmodel.bnxt.hsi.func import FuncQcapsFlags, FuncQcapsFlagsExt, FuncQcapsFlagsExt2
from devmodel.bnxt.hsi.ver import DevCaps
from devmodel.bnxt.hsi.vnic import VnicQcapsFlags
from devmodel.bnxt.module import ModuleKind
from devmodel.bnxt.phy import Partner

Version = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources of the function, in the units of FUNC_RESOURCE_QCAPS.

    With ``rsscos_ctx`` at least 7 times ``vnics`` the driver gives every VNIC a table of 512
    buckets (8 contexts); below that, one context of 64 buckets per 64 rings.
    """

    msix: int = 32
    rsscos_ctx: int = 128
    cmpl_rings: int = 192
    tx_rings: int = 64
    rx_rings: int = 128
    l2_ctxs: int = 16
    vnics: int = 48
    stat_ctx: int = 64
    hw_ring_grps: int = 64
    l2_filters: int = 64
    ntuple_filters: int = 1024
    tunnel_ports: int = 2


@dataclass(frozen=True, slots=True)
class Identity:
    """The card as firmware and NVM describe it.

    :ivar max_aggs: concurrent TPA aggregations per ring; 0 is no TPA.
    :ivar tpa_timer_us: how long an aggregation may take from its first segment where VNIC_TPA_CFG
        does not say, as bnxt_en does not; 0 ends it with the batch of frames it began in. A guess:
        nobody has published the chip's.
    :ivar def_req_timeout_ms: HWRM time-out told to the driver, which counts loops, not time. With
        asynchronous timing the card tells forty times as much: see devmodel.bnxt.cmd.func.
        With synchronous timing an answer is there at once, and each loop of who waits in vain
        reads the status of the firmware, which costs: short.
    :ivar keeps_link: the port is shared with a management controller (NC-SI), as on most servers:
        FORCE_LINK_DWN is accepted and the link stays up, which the driver allows for
        (bnxt_hwrm_shutdown_link). False: the link goes down, and the driver logs it at each up.
    :ivar has_backing_store: contexts of rings, VNICs and statistics are in memory that the
        driver gives (devmodel.bnxt.backing_store); False: the commands are refused.
    :ivar module: what is in the cage.
    :ivar partner: the port at the other end of the cable.
    :ivar chip_rev: 0 would switch the driver's missed-interrupt watchdog on.
    :ivar chip_metal: with it the chip is B1, which goes with PCI revision 0x12.
    :ivar pci_device_id: 0: that of the chip.
    :ivar virtual_functions: how many it can show beside itself (SR-IOV); 0 is none.
    :ivar partition_type: FUNC_QCFG_RESP_PORT_PARTITION_TYPE_*; other than 0 is NPAR.
    """

    mac: bytes = bytes.fromhex("00101820aa01")
    chip_num: int = 0x1750
    chip_rev: int = 1
    chip_metal: int = 1
    hwrm_interface: tuple[int, int, int] = (1, 10, 3)
    firmware: Version = (232, 0, 1, 0)
    management_firmware: Version = (232, 0, 1, 0)
    nvm_config: tuple[int, int, int] = (0, 0, 6)
    package: str = "232.1.1.0"
    board: str = "BCM957508-P2100G"
    serial: str = "P2100EMULATED0001"
    pci_device_id: int = 0
    pci_revision: int = 0x12
    subsystem_id: int = 0x2100
    partition_type: int = 0
    virtual_functions: int = 0
    register_bar_kib: int = 64
    doorbell_bar_mib: int = 16
    msix_bar_kib: int = 32
    fid: int = 1
    port_id: int = 0
    def_req_timeout_ms: int = 25
    max_req_timeout_s: int = 30
    max_req_win_len: int = 128
    max_ext_req_len: int = 512
    max_resp_len: int = 4096
    max_mtu: int = 9500
    max_mru: int = 9600
    max_tso_segs: int = 64
    max_aggs: int = 256
    tpa_timer_us: int = 32
    keeps_link: bool = True
    has_backing_store: bool = True
    max_flows: int = 1024
    doorbell_bar_kib: int = 256
    limits: Limits = field(default_factory=Limits)
    module: ModuleKind = ModuleKind.DAC
    partner: Partner = field(default_factory=Partner)
    dev_caps: DevCaps = (
        DevCaps.SHORT_CMD_SUPPORTED | DevCaps.SHORT_CMD_REQUIRED | DevCaps.CFA_ADV_FLOW_MGNT
    )
    func_flags: FuncQcapsFlags = (
        FuncQcapsFlags.PTP_SUPPORTED
        | FuncQcapsFlags.PCIE_STATS_SUPPORTED
        | FuncQcapsFlags.EXT_STATS_SUPPORTED
        | FuncQcapsFlags.DBG_QCAPS_CMD_SUPPORTED
        | FuncQcapsFlags.HOT_RESET_CAPABLE
        | FuncQcapsFlags.ERROR_RECOVERY_CAPABLE
    )
    func_flags_ext: FuncQcapsFlagsExt = (
        FuncQcapsFlagsExt.EXT_HW_STATS_SUPPORTED
        | FuncQcapsFlagsExt.HOT_RESET_IF_SUPPORT
        | FuncQcapsFlagsExt.FW_LIVEPATCH_SUPPORTED
        | FuncQcapsFlagsExt.PTP_PPS_SUPPORTED
        | FuncQcapsFlagsExt.PTP_64BIT_RTC_SUPPORTED
    )
    func_flags_ext2: FuncQcapsFlagsExt2 = FuncQcapsFlagsExt2.RX_ALL_PKTS_TIMESTAMPS_SUPPORTED
    vnic_flags: VnicQcapsFlags = (
        VnicQcapsFlags.VLAN_STRIP | VnicQcapsFlags.RSS_HASH_TYPE_DELTA | VnicQcapsFlags.RE_FLUSH
    )
    adv_flow: AdvFlowFlags = (
        AdvFlowFlags.RFS_RING_TBL_IDX_V2
        | AdvFlowFlags.EXT_IP_PROTO
        | AdvFlowFlags.RFS_RING_TBL_IDX_V3
    )

    @property
    def resets_itself(self) -> bool:
        """The firmware restarts below a driver that is told (hot reset)."""
        return bool(self.func_flags & FuncQcapsFlags.HOT_RESET_CAPABLE)

    @property
    def is_watched(self) -> bool:
        """The driver watches the heartbeat and resets the firmware (error recovery)."""
        return bool(self.func_flags & FuncQcapsFlags.ERROR_RECOVERY_CAPABLE)

    @property
    def has_phc(self) -> bool:
        """It has a hardware clock, and stamps frames."""
        return bool(self.func_flags & FuncQcapsFlags.PTP_SUPPORTED)

    @property
    def has_udp_gso(self) -> bool:
        """The card segments UDP as well."""
        return bool(self.func_flags_ext2 & FuncQcapsFlagsExt2.UDP_GSO_SUPPORTED)
