# SPDX-License-Identifier: GPL-2.0-only
"""Every declared wire structure against the BTF of a packaged kernel and its bnxt_en module.

The kernel is the folder BNXT_TESTBED_KERNEL names (anything with ``vmlinuz`` and ``bnxt_en.ko.xz``
below it), else the newest one in the testbed's cache; the others there have to agree with it.
"""

from __future__ import annotations

import importlib
import lzma
import os
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import devmodel.bnxt.hsi
from devmodel.layout import Layout
from images.store import cache_root
from kernels.btf import Btf, extract_vmlinux, read_btf

# Structures the driver never looks into, so that the compiler left them out of its debug data.
UNCHECKED = {
    "hcomm_status", "hwrm_cfa_decap_filter_free_output", "hwrm_cfa_encap_record_free_output",
    "hwrm_cfa_flow_free_output", "hwrm_cfa_l2_filter_free_output", "hwrm_cfa_l2_set_rx_mask_output",
    "hwrm_cfa_ntuple_filter_free_output", "hwrm_dbg_coredump_initiate_output",
    "hwrm_dbg_coredump_list_output", "hwrm_dbg_coredump_retrieve_output",
    "hwrm_dbg_crashdump_medium_cfg_output", "hwrm_exec_fwd_resp_output",
    "hwrm_func_backing_store_cfg_output",
    "hwrm_func_backing_store_cfg_v2_output", "hwrm_func_backing_store_qcfg_input",
    "hwrm_func_backing_store_qcfg_output", "hwrm_func_backing_store_qcfg_v2_input",
    "hwrm_func_backing_store_qcfg_v2_output", "hwrm_func_buf_rgtr_output", "hwrm_func_cfg_output",
    "hwrm_func_drv_unrgtr_output", "hwrm_func_echo_response_output", "hwrm_func_ptp_cfg_output",
    "hwrm_func_ptp_pin_cfg_output", "hwrm_func_qstats_input", "hwrm_func_qstats_output",
    "hwrm_func_reset_output", "hwrm_func_vf_cfg_output", "hwrm_func_vf_resc_free_output",
    "hwrm_func_vf_resource_cfg_output", "hwrm_fwd_async_event_cmpl_output", "hwrm_fwd_resp_output",
    "hwrm_fw_get_structured_data_output",
    "hwrm_fw_reset_output", "hwrm_fw_set_structured_data_output", "hwrm_fw_set_time_output",
    "hwrm_nvm_defrag_output", "hwrm_nvm_erase_dir_entry_output", "hwrm_nvm_get_dir_entries_output",
    "hwrm_nvm_get_variable_output", "hwrm_nvm_modify_output", "hwrm_nvm_read_output",
    "hwrm_nvm_set_variable_output", "hwrm_nvm_verify_update_input",
    "hwrm_nvm_verify_update_output", "hwrm_nvm_write_output", "hwrm_port_led_cfg_output",
    "hwrm_port_mac_cfg_output", "hwrm_port_phy_cfg_output", "hwrm_port_phy_i2c_write_output",
    "hwrm_port_qstats_output", "hwrm_queue_cos2bw_cfg_output", "hwrm_queue_dscp2pri_cfg_output",
    "hwrm_queue_dscp2pri_qcfg_input", "hwrm_queue_dscp2pri_qcfg_output",
    "hwrm_queue_pfcenable_cfg_output", "hwrm_queue_pfcwd_timeout_cfg_output",
    "hwrm_queue_pri2cos_cfg_output", "hwrm_reject_fwd_resp_output",
    "hwrm_ring_cmpl_ring_cfg_aggint_params_output",
    "hwrm_selftest_irq_output", "hwrm_stat_ctx_clr_stats_output", "hwrm_stat_ctx_free_output",
    "hwrm_stat_ctx_query_input", "hwrm_stat_ctx_query_output", "hwrm_tunnel_dst_port_free_output",
    "hwrm_vnic_cfg_output", "hwrm_vnic_free_output", "hwrm_vnic_plcmodes_cfg_output",
    "hwrm_vnic_rss_cfg_output", "hwrm_vnic_rss_cos_lb_ctx_free_output", "hwrm_vnic_tpa_cfg_output",
    "hwrm_vnic_update_output", "hwrm_wol_filter_free_output", "rx_port_stats", "rx_port_stats_ext",
    "tx_port_stats", "tx_port_stats_ext",
}  # fmt: skip


def _layouts() -> list[type[Layout]]:
    modules = [
        importlib.import_module(f"devmodel.bnxt.hsi.{found.name}")
        for found in pkgutil.iter_modules(devmodel.bnxt.hsi.__path__)
    ]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Layout)
        and value.__module__ == module.__name__
    ]


LAYOUTS = _layouts()
RENAMED = {"raw_qp_id": "qp_id"}
"""A member of older kernels -> what it is called."""
OWN_RELEASE = "-testbed-"
"""In the release of kernels built from source, which carry no BTF."""


def _kernels() -> Iterator[tuple[Path, Path]]:
    chosen = os.environ.get("BNXT_TESTBED_KERNEL")
    roots = [Path(chosen)] if chosen else sorted(cache_root().glob("store-*/kernel/[!.]*/files"))
    for root in roots:
        modules = sorted(root.glob("**/bnxt_en.ko.xz"))
        if any(OWN_RELEASE in str(module) for module in modules):
            continue
        images = sorted(root.glob("**/vmlinuz"))
        if modules and images:
            yield images[-1], modules[-1]


def _release(module: Path) -> tuple[int, ...]:
    """(7, 2, 12) of ``.../7.2.12+deb13-amd64/kernel/...``: the declarations are the newest's."""
    versions = [re.match(r"(\d+)\.(\d+)\.(\d+)", part) for part in module.parts]
    return max((tuple(map(int, match.groups())) for match in versions if match), default=())


def _read(vmlinuz: Path, module: Path) -> Btf:
    base = read_btf(extract_vmlinux(vmlinuz.read_bytes()))
    return read_btf(lzma.decompress(module.read_bytes()), base)


@pytest.fixture(scope="module")
def kernels() -> list[tuple[Path, Path]]:
    """Image and module of each release there is, the newest last."""
    found = {_release(module): (vmlinuz, module) for vmlinuz, module in _kernels()}
    if not found:
        pytest.skip("no kernel: set BNXT_TESTBED_KERNEL or let the testbed fetch one")
    return [found[release] for release in sorted(found)]


@pytest.fixture(scope="module")
def btf(kernels: list[tuple[Path, Path]]) -> Btf:
    return _read(*kernels[-1])


@pytest.mark.parametrize(
    "declared", [cls for cls in LAYOUTS if cls.C_NAME not in UNCHECKED], ids=lambda cls: cls.C_NAME
)
def test_layout_is_that_of_the_kernel(btf: Btf, declared: type[Layout]) -> None:
    size, members = btf.struct(declared.C_NAME)
    assert [(f.name, f.offset, f.size) for f in declared.FIELDS] == [
        (m.name, m.offset, m.size) for m in members
    ]
    assert size == declared.SIZE


def _moved(declared: type[Layout], btf: Btf) -> list[str]:
    """What a kernel has where the declaration does not; padding and the last byte may differ.

    Responses became longer, and the driver takes the length from the response.
    """
    if declared.C_NAME not in btf.structs():
        return []
    size, members = btf.struct(declared.C_NAME)
    ours = {(field.name, field.offset, field.size) for field in declared.FIELDS}
    found = [
        f"{declared.C_NAME}.{member.name}"
        for member in members
        if not re.match(r"unused|rsvd|reserved|valid$", member.name)
        and (RENAMED.get(member.name, member.name), member.offset, member.size) not in ours
    ]
    return found + ([f"{declared.C_NAME} was longer"] if size > declared.SIZE else [])


def test_nothing_was_elsewhere_in_older_kernels(kernels: list[tuple[Path, Path]]) -> None:
    checked = [cls for cls in LAYOUTS if cls.C_NAME not in UNCHECKED]
    moved = {}
    for vmlinuz, module in kernels:
        btf = _read(vmlinuz, module)
        moved[_release(module)] = [text for cls in checked for text in _moved(cls, btf)]
    assert moved == {_release(module): [] for _, module in kernels}


def test_unchecked_structures_are_declared() -> None:
    assert {cls.C_NAME for cls in LAYOUTS} >= UNCHECKED


def test_every_command_has_input_and_output() -> None:
    names = {cls.C_NAME for cls in LAYOUTS}
    inputs = {n for n in names if n.startswith("hwrm_") and n.endswith("_input")}
    assert len(inputs) > 40
    assert {n.removesuffix("_input") + "_output" for n in inputs - {"hwrm_short_input"}} <= names
