# SPDX-License-Identifier: GPL-2.0-only
"""Card options by what they show: read out of a recording, and named where two recordings differ.

What the firmware answered is exact and comes first; a recording of a real card does not have it,
so there each option is read from what tools show, as far as they do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from testbed.card.personality import default_card

Values = Mapping[str, str]
Read = Callable[[Values], Any]
"""The value of an option, or None if the recording does not tell it."""

HIDDEN = "xx"


@dataclass(frozen=True)
class Key:
    """A card option, as ``--personality`` has it; a dot is between table and key.

    :ivar shows: patterns of the paths that it decides, alone or with others.
    """

    name: str
    read: Read
    shows: tuple[str, ...] = ()


def _number(path: str, base: int = 0) -> Read:
    def read(values: Values) -> int | None:
        text = values.get(path, "")
        try:
            return int(text, base)
        except ValueError:
            return None

    return read


def _divided(path: str, unit: int) -> Read:
    def read(values: Values) -> int | None:
        text = values.get(path, "")
        return int(text) // unit if text.isdigit() else None

    return read


def _told(command: str, member: str, otherwise: Read | None = None) -> Read:
    """A member of what the firmware answered, where members that are 0 are left out."""

    def read(values: Values) -> Any:
        if values.get(f"hwrm/{command}/error") == "SUCCESS":
            return int(values.get(f"hwrm/{command}/{member}", "0"))
        return None if otherwise is None else otherwise(values)

    return read


def _text(path: str) -> Read:
    def read(values: Values) -> str | None:
        text = values.get(path, "")
        return text if text and HIDDEN not in text else None

    return read


def _version(path: str, pattern: str, count: int) -> Read:
    def read(values: Values) -> list[int] | None:
        found = re.search(pattern, values.get(path, ""))
        parts = found[1].split(".") if found else []
        return [int(part) for part in parts] if len(parts) == count else None

    return read


def _device(values: Values) -> int | None:
    device, chip = _number("pci/device")(values), _chip(values)
    return None if device is None else 0 if device == chip else device


def _chip(values: Values) -> int | None:
    text = values.get("info/fixed/asic.id", "")
    try:
        return int(text, 16)
    except ValueError:
        device: int | None = _number("pci/device")(values)
        return device


def _stepping(at: int) -> Read:
    """devlink's ``asic.rev``: a letter for the revision, a digit for the metal."""

    def read(values: Values) -> int | None:
        text = values.get("info/fixed/asic.rev", "")
        if not re.fullmatch(r"[A-P]\d{1,2}", text):
            return None
        return ord(text[0]) - ord("A") if at == 0 else int(text[1:])

    return read


def _mac(values: Values) -> str | None:
    text = values.get("permanent/Permanent address", "").replace(":", "")
    return text if re.fullmatch(r"[0-9a-f]{12}", text) else None


def _package(values: Values) -> str | None:
    found = re.search(r"/pkg (\S+)", values.get("driver/firmware-version", ""))
    return found[1] if found else None


def _module(values: Values) -> str | None:
    """One of ours that is most like it."""
    if "module/exit" not in values:
        return None
    if values["module/exit"] != "0":
        return "none"
    text = " ".join(v for path, v in values.items() if path.startswith("module/"))
    return "dac" if re.search(r"(?i)copper|no separable|-cr\d?\b", text) else "sr4"


def _aggregates(values: Values) -> int | None:
    """0 without aggregation; how many there are is not shown."""
    return 0 if values.get("features/rx-gro-hw") == "off [fixed]" else None


def _queues(values: Values) -> int | None:
    """Combined channels, if there are fewer of them than vectors."""
    combined, vectors = _number(f"{_CHANNELS}/Combined")(values), _VECTORS(values)
    return combined if None not in (combined, vectors) and combined < vectors else None


def _func_flags(values: Values) -> int | None:
    """FUNC_QCAPS_RESP_FLAGS_* by what they make the driver show; others are the default card's."""
    if not {"link/exit", "statistics/exit", "health/exit", "dump/exit"} <= values.keys():
        return None
    shown = {
        0x20: "g" in values.get("link/Supports Wake-on", ""),
        0x10000: int(values.get("registers/bytes", "0")) > _REGISTER_BYTES,
        0xC00000: "health/fw/auto_recover" in values,
        0x80000000: values["dump/exit"] == "0",
    }
    flags: int = default_card()["func_flags"] & ~sum(shown)
    return flags + sum(flag for flag, is_shown in shown.items() if is_shown)


def _func_flags_ext(values: Values) -> int | None:
    """Those of the default card without EXT_HW_STATS_SUPPORTED, if its counters are not there."""
    is_shown = "statistics/exit" not in values or "statistics/rx_bytes_cos0" in values
    return None if is_shown else default_card()["func_flags_ext"] & ~0x4


def _vnics(values: Values) -> int | None:
    """So few that each has a table of 512 buckets, if the table is that large."""
    return 18 if values.get("rss/table") == "512" else None


def _backing_store(values: Values) -> bool | None:
    v1 = values.get("hwrm/FUNC_BACKING_STORE_QCAPS/error")
    v2 = any(p.startswith("hwrm/FUNC_BACKING_STORE_QCAPS_V2") for p in values)
    return None if v1 is None and not v2 else v2 or v1 == "SUCCESS"


def _firmware_of(command: str, prefix: str) -> Read:
    def read(values: Values) -> list[int] | None:
        if values.get(f"hwrm/{command}/error") != "SUCCESS":
            return None
        parts = ("major", "minor", "build", "patch")
        return [int(values.get(f"hwrm/{command}/{prefix}_{part}", "0")) for part in parts]

    return read


def _either(*reads: Read) -> Read:
    def read(values: Values) -> Any:
        return next((value for one in reads if (value := one(values)) is not None), None)

    return read


def _nvm_config(values: Values) -> list[int] | None:
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", values.get("info/running/fw.psid", ""))
    return [int(part) for part in found.groups()] if found else None


def _limit(name: str, *shows: str, otherwise: Read | None = None) -> Key:
    member = f"max_{name}"
    paths = (f"hwrm/FUNC_RESOURCE_QCAPS/{member}", f"hwrm/FUNC_QCAPS/{member}", *shows)
    return Key(f"limits.{name}", _told("FUNC_RESOURCE_QCAPS", member, otherwise), paths)


_CHANNELS = "channels/Pre-set maximums"
_VECTORS = _number("config/msix/vectors")
_REGISTER_BYTES = 12560
"""Of the registers alone (BNXT_PXP_REG_LEN); statistics of PCI Express come behind them."""
_MEMORY = "hwrm/FUNC_BACKING_STORE_QCAPS*"

KEYS: tuple[Key, ...] = (
    Key("pci_device_id", _device, ("pci/device",)),
    Key("chip_num", _chip, ("info/fixed/asic.id", "hwrm/VER_GET/chip_num", "pci/device")),
    Key("chip_rev", _stepping(0), ("info/fixed/asic.rev", "hwrm/VER_GET/chip_rev")),
    Key("chip_metal", _stepping(1), ("info/fixed/asic.rev", "hwrm/VER_GET/chip_metal")),
    Key("pci_revision", _number("pci/revision"), ("pci/revision",)),
    Key("subsystem_id", _number("pci/subsystem_device"), ("pci/subsystem_device",)),
    Key("register_bar_kib", _divided("bar/0", 1 << 10), ("bar/0",)),
    Key("doorbell_bar_mib", _divided("bar/2", 1 << 20), ("bar/2",)),
    Key("msix_bar_kib", _divided("bar/4", 1 << 10), ("bar/4",)),
    Key(
        "mac", _mac,
        ("permanent/*", "sysfs/address", "info/serial_number", "hwrm/*/mac_address"),
    ),
    Key("board", _text("info/fixed/board.id"), ("info/fixed/board.id",)),
    Key("serial", _text("info/board.serial_number"), ("info/board.serial_number",)),
    Key(
        "firmware",
        _either(
            _firmware_of("VER_GET", "hwrm_fw"),
            _version("driver/firmware-version", r"^(\d+\.\d+\.\d+\.\d+)", 4),
        ),
        (
            "driver/firmware-version", "info/*/fw.mgmt", "hwrm/VER_GET/hwrm_fw_*", "dump/version",
            "hwrm/NVM_GET_DEV_INFO/hwrm_fw_*",
        ),
    ),
    Key(
        "management_firmware", _firmware_of("VER_GET", "mgmt_fw"),
        ("hwrm/VER_GET/mgmt_fw_*", "hwrm/NVM_GET_DEV_INFO/mgmt_fw_*", "info/*/fw.ncsi"),
    ),
    Key(
        "package", _either(_text("info/running/fw"), _package),
        (
            "driver/firmware-version", "info/*/fw", "hwrm/VER_GET/active_pkg_name",
            "hwrm/NVM_GET_DEV_INFO/pkg_name",
        ),
    ),
    Key(
        "hwrm_interface", _version("info/running/fw.mgmt.api", r"^(\d+\.\d+\.\d+)", 3),
        ("info/running/fw.mgmt.api", "hwrm/VER_GET/hwrm_intf_*", "hwrm/PORT_MAC_QCAPS/*"),
    ),
    Key(
        "nvm_config", _nvm_config,
        ("info/*/fw.psid", "hwrm/NVM_GET_DEV_INFO/nvm_cfg_ver_*"),
    ),
    Key("max_mtu", _number("ip/maxmtu"), ("ip/maxmtu", "hwrm/FUNC_QCFG/max_mtu_configured")),
    Key("max_mru", _told("VNIC_QCAPS", "mru"), ("hwrm/VNIC_QCAPS/mru",)),
    Key(
        "max_tso_segs", _told("FUNC_QCAPS", "max_tso_segs", _number("ip/tso_max_segs")),
        ("ip/tso_max_segs", "hwrm/FUNC_QCAPS/max_tso_segs"),
    ),
    Key(
        "max_aggs", _told("VNIC_QCAPS", "max_aggs_supported", _aggregates),
        (
            "hwrm/VNIC_QCAPS/max_aggs_supported", "features/rx-gro-hw",
            "features/large-receive-offload",
        ),
    ),
    Key("max_flows", _told("FUNC_QCAPS", "max_rx_em_flows"), ("hwrm/FUNC_QCAPS/max_rx_*_flows",)),
    Key("module", _module, ("module/*", "link/*", "hwrm/TEMP_MONITOR_QUERY/flags")),
    Key(
        "dev_caps", _told("VER_GET", "dev_caps_cfg"),
        ("hwrm/VER_GET/dev_caps_cfg", "hwrm/CFA_ADV_FLOW*", "features/ntuple-filters"),
    ),
    Key(
        "func_flags", _told("FUNC_QCAPS", "flags", _func_flags),
        (
            "hwrm/FUNC_QCAPS/flags", "link/Supports Wake-on", "link/Wake-on", "statistics/*",
            "groups/*", "health/*", "hwrm/ERROR_RECOVERY*", "hwrm/DBG_Q*", "registers/*", "dump/*",
            "hwrm/PCIE_QSTATS/*", "hwrm/*_PTP_*", "timestamping/*",
            "parameters/enable_remote_dev_reset/*",
        ),
    ),
    Key(
        "func_flags_ext", _told("FUNC_QCAPS", "flags_ext", _func_flags_ext),
        ("hwrm/FUNC_QCAPS/flags_ext", _MEMORY, "statistics/*", "hwrm/*_PTP_*", "timestamping/*"),
    ),
    Key(
        "func_flags_ext2", _told("FUNC_QCAPS", "flags_ext2"),
        ("hwrm/FUNC_QCAPS/flags_ext2", "features/tx-udp-segmentation", "timestamping/*"),
    ),
    Key(
        "vnic_flags", _told("VNIC_QCAPS", "flags"),
        ("hwrm/VNIC_QCAPS/flags", "features/rx-vlan-*", "features/tx-vlan-*", "hash-*"),
    ),
    Key(
        "adv_flow", _told("CFA_ADV_FLOW_MGNT_QCAPS", "flags"),
        ("hwrm/CFA_ADV_FLOW_MGNT_QCAPS/flags", "features/ntuple-filters"),
    ),
    Key(
        "partition_type", _told("FUNC_QCFG", "port_partition_type"),
        (
            "hwrm/FUNC_QCFG/port_partition_type", "link/Supports *", "driver/supports-test",
            "hwrm/SELFTEST_QLIST/*",
        ),
    ),
    Key("has_backing_store", _backing_store, (_MEMORY,)),
    Key("fid", _told("FUNC_QCAPS", "fid"), ("hwrm/*/fid",)),
    Key("max_req_win_len", _told("VER_GET", "max_req_win_len"), ("hwrm/VER_GET/max_req_win_len",)),
    Key("max_resp_len", _told("VER_GET", "max_resp_len"), ("hwrm/VER_GET/max_resp_len",)),
    Key("max_ext_req_len", _told("VER_GET", "max_ext_req_len"), ("hwrm/VER_GET/max_ext_req_len",)),
    Key(
        "max_req_timeout_s", _told("VER_GET", "max_req_timeout"),
        ("hwrm/VER_GET/max_req_timeout",),
    ),
    Key(
        "doorbell_bar_kib", _told("FUNC_QCFG", "l2_doorbell_bar_size_kb"),
        ("hwrm/FUNC_QCFG/l2_doorbell_bar_size_kb",),
    ),
    Key(
        "limits.msix", _either(_VECTORS, _told("FUNC_RESOURCE_QCAPS", "max_msix")),
        (
            "config/msix/vectors", "hwrm/FUNC_RESOURCE_QCAPS/max_msix", f"{_CHANNELS}/*",
            "parameters/msix_vec_per_pf_max/*", "ip/num?xqueues",
        ),
    ),
    _limit(
        "tx_rings", f"{_CHANNELS}/*", _MEMORY, "hwrm/FUNC_RESOURCE_QCAPS/max_tx_scheduler_inputs",
        "ip/num?xqueues", otherwise=_queues,
    ),
    _limit("rx_rings", f"{_CHANNELS}/*", _MEMORY, "ip/num?xqueues"),
    _limit("cmpl_rings", f"{_CHANNELS}/*", _MEMORY, "ip/num?xqueues"),
    _limit("stat_ctx", f"{_CHANNELS}/*", _MEMORY, "ip/num?xqueues"),
    _limit("vnics", _MEMORY, "rss/table", otherwise=_vnics),
    _limit("rsscos_ctx", _MEMORY, "rss/table", f"{_CHANNELS}/*"),
    _limit("l2_ctxs"),
    _limit("hw_ring_grps"),
)  # fmt: skip


def keys_of(path: str) -> list[str]:
    """Names of the options that decide a value."""
    return [key.name for key in KEYS if any(fnmatchcase(path, one) for one in key.shows)]
