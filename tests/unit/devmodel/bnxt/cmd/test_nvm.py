# SPDX-License-Identifier: GPL-2.0-only
"""NVM commands as the driver sends them: directory, items, packages, variables, and refusals."""

from __future__ import annotations

from typing import Any

import pytest

from devmodel.bnxt.config_space import vital_product_data
from devmodel.bnxt.hsi.header import Err, HwrmErrOutput
from devmodel.bnxt.hsi.nvm import (
    GetVariableError,
    HwrmNvmDefragInput,
    HwrmNvmEraseDirEntryInput,
    HwrmNvmFindDirEntryInput,
    HwrmNvmGetDevInfoInput,
    HwrmNvmGetDirEntriesInput,
    HwrmNvmGetDirInfoInput,
    HwrmNvmGetVariableInput,
    HwrmNvmInstallUpdateInput,
    HwrmNvmModifyInput,
    HwrmNvmReadInput,
    HwrmNvmSetVariableInput,
    HwrmNvmVerifyUpdateInput,
    HwrmNvmWriteInput,
    InstallFlags,
    InstallResult,
    SetVariableError,
    WriteError,
)
from devmodel.bnxt.hsi.ver import HwrmVerGetInput
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.nvm.image import DirType, firmware_image, make_package
from devmodel.bnxt.nvm.media import DirectoryEntry
from devmodel.bnxt.nvm.store import Item
from tests.unit.devmodel.bnxt.cardhost import UNMAPPED, CardHost

NEW = "233.7.8.9"


def package(version: str = NEW, *, device_id: int = 0x1750) -> bytes:
    """A package with new HWRM firmware."""
    image = firmware_image(DirType.BOOTCODE_2, version, 9000)
    return make_package(version, [Item((DirType.BOOTCODE_2, 0, 0), image)], device_id=device_id)


def find(host: CardHost, kind: int) -> Any:
    return host.call(HwrmNvmFindDirEntryInput(dir_type=kind))


def write(host: CardHost, kind: int, data: bytes, **more: int) -> HwrmNvmWriteInput:
    address = host.allocate(max(len(data), 1))
    host.poke(address, data)
    return HwrmNvmWriteInput(
        host_src_addr=address, dir_type=kind, dir_data_length=len(data), **more
    )


def read(host: CardHost, index: int, length: int, offset: int = 0) -> bytes:
    address = host.allocate(length)
    host.call(HwrmNvmReadInput(host_dest_addr=address, dir_idx=index, offset=offset, len=length))
    return host.peek(address, length)


def stage(host: CardHost, data: bytes, chunk: int = 4096) -> None:
    """Put a package into the update area as bnxt_flash_package_from_fw_obj() does."""
    index, address = find(host, DirType.UPDATE).dir_idx, host.allocate(chunk)
    for at in range(0, len(data), chunk):
        part = data[at : at + chunk]
        host.poke(address, part)
        host.call(
            HwrmNvmModifyInput(host_src_addr=address, dir_idx=index, offset=at, len=len(part))
        )


def refused(host: CardHost, request: Any) -> tuple[int, int]:
    """(error code, the command's own code)."""
    answer = HwrmErrOutput.unpack(host.submit(request))
    return answer.error_code, answer.cmd_err


def test_the_directory_names_every_item_once(host: CardHost) -> None:
    info = host.call(HwrmNvmGetDirInfoInput())
    assert info.entry_length == DirectoryEntry.SIZE == 24
    address = host.allocate(info.entries * 24)
    host.call(HwrmNvmGetDirEntriesInput(host_dest_addr=address))
    entries = [DirectoryEntry.unpack(host.peek(address + 24 * i, 24)) for i in range(info.entries)]
    kinds = [entry.type for entry in entries]
    assert len(set(kinds)) == len(kinds)
    assert {DirType.VPD, DirType.PKG_LOG, DirType.UPDATE, DirType.BOOTCODE_2} <= set(kinds)
    assert find(host, DirType.VPD).dir_idx == kinds.index(DirType.VPD)
    assert refused(host, HwrmNvmFindDirEntryInput(dir_type=99))[0] == Err.INVALID_PARAMS
    assert not host.rules


def test_the_vital_product_data_are_read_and_written_back(host: CardHost) -> None:
    """What ``devlink dev selftests`` does (bnxt_nvm_test)."""
    item = find(host, DirType.VPD)
    vpd = read(host, item.dir_idx, item.dir_data_length)
    assert vpd == vital_product_data(Identity())
    host.call(write(host, DirType.VPD, vpd))
    assert read(host, item.dir_idx, len(vpd)) == vpd


def test_a_package_is_stored_at_once_and_runs_after_a_restart(host: CardHost) -> None:
    stage(host, package())
    host.call(HwrmNvmVerifyUpdateInput())
    done = host.call(HwrmNvmInstallUpdateInput())
    assert (done.result, done.installed_items) == (InstallResult.SUCCESS, 1)
    stored, running = host.call(HwrmNvmGetDevInfoInput()), host.call(HwrmVerGetInput())
    assert stored.pkg_name.rstrip(b"\0") == NEW.encode()
    assert (stored.hwrm_fw_major, running.hwrm_fw_major) == (233, 232)
    host.card.firmware.restart()
    running = host.call(HwrmVerGetInput())
    assert running.active_pkg_name.rstrip(b"\0") == NEW.encode()
    assert (running.hwrm_fw_major, running.hwrm_fw_patch) == (233, 9)
    assert not host.rules


def test_to_verify_is_not_to_install(host: CardHost) -> None:
    stage(host, package())
    host.call(HwrmNvmInstallUpdateInput(flags=InstallFlags.VERIFY_ONLY))
    assert host.call(HwrmNvmGetDevInfoInput()).hwrm_fw_major == 232


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (b"", InstallResult.INVALID_FILE_HEADER),
        (b"PK\3\4" + bytes(5000), InstallResult.INVALID_FILE_HEADER),
        (package()[:-1], InstallResult.INVALID_DATA_LENGTH),
        (package()[:-1] + b"x", InstallResult.INVALID_ITEM_CHECKSUM),
        (package().replace(NEW.encode(), b"233.7.8.8", 1), InstallResult.INVALID_CHECKSUM),
        (package(device_id=0x1751), InstallResult.UNSUPPORTED_DEVICE_ID),
    ],
)
def test_a_bad_package_changes_nothing(host: CardHost, data: bytes, result: InstallResult) -> None:
    stage(host, data)
    assert host.call(HwrmNvmInstallUpdateInput()).result == result
    assert refused(host, HwrmNvmVerifyUpdateInput())[0] == Err.FAIL
    assert host.call(HwrmNvmGetDevInfoInput()).hwrm_fw_major == 232


def test_firmware_must_be_an_image_and_stays(host: CardHost) -> None:
    assert refused(host, write(host, DirType.BOOTCODE_2, b"junk" * 20)) == (
        Err.INVALID_PARAMS,
        WriteError.INVALID_HEADER,
    )
    index = find(host, DirType.BOOTCODE_2).dir_idx
    assert refused(host, HwrmNvmEraseDirEntryInput(dir_idx=index))[0] == Err.RESOURCE_ACCESS_DENIED
    modify = HwrmNvmModifyInput(host_src_addr=host.allocate(16), dir_idx=index, len=16)
    assert refused(host, modify)[0] == Err.RESOURCE_ACCESS_DENIED
    host.call(write(host, DirType.APE_FW, firmware_image(DirType.APE_FW, "1.2.3.4")))
    assert host.call(HwrmNvmGetDevInfoInput()).mgmt_fw_major == 1


def test_what_is_outside_is_refused(host: CardHost) -> None:
    item = find(host, DirType.VPD)
    address = host.allocate(4096)
    outside = [
        HwrmNvmReadInput(host_dest_addr=address, dir_idx=200, len=4),
        HwrmNvmReadInput(host_dest_addr=address, dir_idx=item.dir_idx, offset=4095, len=2),
        HwrmNvmReadInput(host_dest_addr=address, dir_idx=0, offset=0xFFFFFFFF, len=0xFFFFFFFF),
        HwrmNvmEraseDirEntryInput(dir_idx=200),
        HwrmNvmWriteInput(dir_type=60, dir_data_length=0xFFFFFFFF),
        HwrmNvmWriteInput(dir_type=60, dir_item_length=0xFFFFFFFF),
        HwrmNvmModifyInput(dir_idx=find(host, DirType.UPDATE).dir_idx, offset=1 << 20, len=1),
    ]
    assert {refused(host, request)[0] for request in outside} == {Err.INVALID_PARAMS}
    assert not host.rules
    assert host.error(HwrmNvmReadInput(host_dest_addr=UNMAPPED, dir_idx=0, len=4))
    assert host.rules == {"hwrm_indirect_write"}


def test_a_full_memory_is_told_and_defragmented(host: CardHost) -> None:
    for kind in (60, 61, 62):
        host.call(HwrmNvmWriteInput(dir_type=kind, dir_item_length=2 << 20))
    big = HwrmNvmWriteInput(dir_type=63, dir_item_length=2 << 20)
    assert refused(host, big) == (Err.RESOURCE_ALLOC_ERROR, WriteError.NO_SPACE)
    for kind in (60, 62):
        host.call(HwrmNvmEraseDirEntryInput(dir_idx=find(host, kind).dir_idx))
    bigger = HwrmNvmWriteInput(dir_type=63, dir_item_length=4 << 20)
    assert refused(host, bigger) == (Err.RESOURCE_ALLOC_ERROR, WriteError.FRAG_ERR)
    vpd = read(host, find(host, DirType.VPD).dir_idx, 64)
    host.call(HwrmNvmDefragInput(flags=1))
    host.call(bigger)
    assert read(host, find(host, DirType.VPD).dir_idx, 64) == vpd


def test_the_update_area_grows_into_its_own_room(host: CardHost) -> None:
    for size in (5 << 20, 6 << 20):
        host.call(HwrmNvmWriteInput(dir_type=DirType.UPDATE, dir_attr=1, dir_item_length=size))
    assert find(host, DirType.UPDATE).dir_item_length == 6 << 20


def variable(host: CardHost, kind: Any, option: int, bits: int, **more: int) -> Any:
    address = host.allocate(4)
    name = "dest_data_addr" if kind is HwrmNvmGetVariableInput else "src_data_addr"
    return kind(**{name: address}, option_num=option, data_len=bits, **more)


def value(host: CardHost, option: int, bits: int, **more: int) -> int:
    request = variable(host, HwrmNvmGetVariableInput, option, bits, **more)
    host.call(request)
    return int.from_bytes(host.peek(request.dest_data_addr, 4), "little")


def test_variables_are_kept(host: CardHost) -> None:
    version = [value(host, 602, 8, dimensions=1, index_0=i) for i in (2, 1, 0)]
    assert tuple(version) == Identity().nvm_config
    request = variable(host, HwrmNvmSetVariableInput, 108, 10)
    host.poke(request.src_data_addr, (0xFFFF).to_bytes(2, "little"))
    host.call(request)
    assert (value(host, 108, 10), value(host, 108, 10, flags=1)) == (1023, 32)
    assert value(host, 114, 7) == 0


@pytest.mark.parametrize("fid", [1, 3])
def test_a_function_has_variables_of_its_own(fid: int) -> None:
    host = CardHost(Identity(fid=fid))
    assert value(host, 506, 1, dimensions=1, index_0=fid - 1) == 0
    beyond = variable(host, HwrmNvmGetVariableInput, 506, 1, dimensions=1, index_0=fid)
    assert refused(host, beyond)[1] == GetVariableError.INDEX_INVALID


def test_variables_are_refused_with_a_reason(host: CardHost) -> None:
    get, put = HwrmNvmGetVariableInput, HwrmNvmSetVariableInput
    assert refused(host, variable(host, get, 9999, 1))[1] == GetVariableError.VAR_NOT_EXIST
    assert refused(host, variable(host, get, 602, 4))[1] == GetVariableError.LEN_TOO_SHORT
    beyond = variable(host, get, 602, 8, dimensions=1, index_0=3)
    assert refused(host, beyond)[1] == GetVariableError.INDEX_INVALID
    assert refused(host, variable(host, put, 9999, 1))[1] == SetVariableError.VAR_NOT_EXIST
    assert refused(host, variable(host, put, 602, 8))[1] == SetVariableError.ACCESS_DENIED
    assert refused(host, variable(host, put, 401, 2))[1] == SetVariableError.INVALID_DATA_LEN
    beyond = variable(host, put, 401, 1, dimensions=1, index_0=1)
    assert refused(host, beyond)[1] == SetVariableError.INDEX_INVALID
