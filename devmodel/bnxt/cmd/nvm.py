# SPDX-License-Identifier: GPL-2.0-only
"""NVM: directory, items, update packages, variables.

What a person may ask for by ethtool or devlink is refused without a violation: the driver hands
index, offset and length on as they were given. The error codes of such refusals are guesses.
"""

from __future__ import annotations

from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.nvm import (
    OPT_ORDINAL_MASK,
    RESET_REQUIRED_PCI,
    FindEnables,
    GetVariableError,
    HwrmNvmDefragInput,
    HwrmNvmDefragOutput,
    HwrmNvmEraseDirEntryInput,
    HwrmNvmEraseDirEntryOutput,
    HwrmNvmFindDirEntryInput,
    HwrmNvmFindDirEntryOutput,
    HwrmNvmGetDevInfoInput,
    HwrmNvmGetDevInfoOutput,
    HwrmNvmGetDirEntriesInput,
    HwrmNvmGetDirEntriesOutput,
    HwrmNvmGetDirInfoInput,
    HwrmNvmGetDirInfoOutput,
    HwrmNvmGetVariableInput,
    HwrmNvmGetVariableOutput,
    HwrmNvmInstallUpdateInput,
    HwrmNvmInstallUpdateOutput,
    HwrmNvmModifyInput,
    HwrmNvmModifyOutput,
    HwrmNvmReadInput,
    HwrmNvmReadOutput,
    HwrmNvmSetVariableInput,
    HwrmNvmSetVariableOutput,
    HwrmNvmVerifyUpdateInput,
    HwrmNvmVerifyUpdateOutput,
    HwrmNvmWriteInput,
    HwrmNvmWriteOutput,
    InstallError,
    InstallFlags,
    NvmDevInfoFlags,
    OptOrdinal,
    SetVariableError,
    VariableFlags,
    WriteError,
)
from devmodel.bnxt.nvm.image import CODE_TYPES, BadPackage, DirType, image_version
from devmodel.bnxt.nvm.media import BLOCK_BYTES, DATA_OFFSET, NVM_BYTES, DirectoryEntry
from devmodel.bnxt.nvm.store import Item, NoSpace
from devmodel.bnxt.nvm.variables import Variable

COMMANDS = CommandTable()


def _entry(fw: Firmware, index: int) -> DirectoryEntry:
    if index >= len(fw.nvm.entries):
        raise HwrmError(Err.INVALID_PARAMS)
    return fw.nvm.entries[index]


@COMMANDS.handles(Cmd.NVM_GET_DEV_INFO, HwrmNvmGetDevInfoInput)
def nvm_get_dev_info(fw: Firmware, req: HwrmNvmGetDevInfoInput) -> HwrmNvmGetDevInfoOutput:
    """The NVM and the versions stored in it."""
    stored = fw.nvm.versions()
    out = HwrmNvmGetDevInfoOutput(
        sector_size=BLOCK_BYTES,
        nvram_size=NVM_BYTES,
        reserved_size=DATA_OFFSET,
        available_size=fw.nvm.free_bytes,
        flags=NvmDevInfoFlags.FW_VER_VALID,
        pkg_name=stored.package.encode(),
    )
    out.nvm_cfg_ver_maj, out.nvm_cfg_ver_min, out.nvm_cfg_ver_upd = fw.identity.nvm_config
    out.hwrm_fw_major, out.hwrm_fw_minor, out.hwrm_fw_build, out.hwrm_fw_patch = stored.firmware
    (
        out.mgmt_fw_major,
        out.mgmt_fw_minor,
        out.mgmt_fw_build,
        out.mgmt_fw_patch,
    ) = stored.management_firmware
    return out


# -- directory ------------------------------------------------------------------------------------
@COMMANDS.handles(Cmd.NVM_GET_DIR_INFO, HwrmNvmGetDirInfoInput)
def nvm_get_dir_info(fw: Firmware, req: HwrmNvmGetDirInfoInput) -> HwrmNvmGetDirInfoOutput:
    """How many entries, of how many bytes."""
    return HwrmNvmGetDirInfoOutput(entries=len(fw.nvm.entries), entry_length=DirectoryEntry.SIZE)


@COMMANDS.handles(Cmd.NVM_GET_DIR_ENTRIES, HwrmNvmGetDirEntriesInput)
def nvm_get_dir_entries(fw: Firmware, req: HwrmNvmGetDirEntriesInput) -> HwrmNvmGetDirEntriesOutput:
    """All entries, one behind the other."""
    entries = b"".join(entry.pack() for entry in fw.nvm.entries)
    fw.write(req.host_dest_addr, entries, "NVM directory")
    return HwrmNvmGetDirEntriesOutput()


def _ordinal_fits(how: int, ordinal: int, wanted: int) -> bool:
    if how == OptOrdinal.GT:
        return ordinal > wanted
    return ordinal >= wanted if how == OptOrdinal.GE else ordinal == wanted


@COMMANDS.handles(Cmd.NVM_FIND_DIR_ENTRY, HwrmNvmFindDirEntryInput)
def nvm_find_dir_entry(fw: Firmware, req: HwrmNvmFindDirEntryInput) -> HwrmNvmFindDirEntryOutput:
    """The entry of a type, ordinal and extension, or that of an index."""
    entries = fw.nvm.entries
    found: int | None
    if req.enables & FindEnables.DIR_IDX_VALID:
        found = req.dir_idx if req.dir_idx < len(entries) else None
    else:
        how = req.opt_ordinal & OPT_ORDINAL_MASK
        fitting = (
            i
            for i, entry in enumerate(entries)
            if (entry.type, entry.ext) == (req.dir_type, req.dir_ext)
            and _ordinal_fits(how, entry.ordinal, req.dir_ordinal)
        )
        found = min(fitting, key=lambda i: entries[i].ordinal, default=None)
    if found is None:
        raise HwrmError(Err.INVALID_PARAMS)
    return HwrmNvmFindDirEntryOutput(
        dir_item_length=entries[found].item_length,
        dir_data_length=entries[found].data_length,
        dir_ordinal=entries[found].ordinal,
        dir_idx=found,
    )


@COMMANDS.handles(Cmd.NVM_ERASE_DIR_ENTRY, HwrmNvmEraseDirEntryInput)
def nvm_erase_dir_entry(fw: Firmware, req: HwrmNvmEraseDirEntryInput) -> HwrmNvmEraseDirEntryOutput:
    """Take an item out of the directory, but none that a processor executes."""
    if _entry(fw, req.dir_idx).type in CODE_TYPES:
        raise HwrmError(Err.RESOURCE_ACCESS_DENIED)
    fw.nvm.erase(req.dir_idx)
    return HwrmNvmEraseDirEntryOutput()


@COMMANDS.handles(Cmd.NVM_DEFRAG, HwrmNvmDefragInput)
def nvm_defrag(fw: Firmware, req: HwrmNvmDefragInput) -> HwrmNvmDefragOutput:
    """Bring the items together."""
    fw.nvm.defragment()
    return HwrmNvmDefragOutput()


# -- items ----------------------------------------------------------------------------------------
@COMMANDS.handles(Cmd.NVM_READ, HwrmNvmReadInput)
def nvm_read(fw: Firmware, req: HwrmNvmReadInput) -> HwrmNvmReadOutput:
    """Bytes of an item, or of what pads it."""
    if req.offset + req.len > _entry(fw, req.dir_idx).item_length:
        raise HwrmError(Err.INVALID_PARAMS)
    fw.write(req.host_dest_addr, fw.nvm.read(req.dir_idx, req.offset, req.len), "NVM item")
    return HwrmNvmReadOutput()


@COMMANDS.handles(Cmd.NVM_WRITE, HwrmNvmWriteInput)
def nvm_write(fw: Firmware, req: HwrmNvmWriteInput) -> HwrmNvmWriteOutput:
    """Create an item or give it new contents; without data, only the room is made.

    What a processor would execute must be an image that it takes. Writing a part is refused.
    """
    if max(req.dir_data_length, req.dir_item_length) > NVM_BYTES or req.offset or req.len:
        raise HwrmError(Err.INVALID_PARAMS)
    data = b""
    if req.dir_data_length:
        data = fw.read(req.host_src_addr, req.dir_data_length, "NVM item")
    if req.dir_type in CODE_TYPES and image_version(req.dir_type, data) is None:
        raise HwrmError(Err.INVALID_PARAMS, WriteError.INVALID_HEADER)
    key = (req.dir_type, req.dir_ordinal, req.dir_ext)
    item = Item(key, data, attr=req.dir_attr, item_length=req.dir_item_length)
    try:
        fw.nvm.put([item])
    except NoSpace as full:
        reason = WriteError.FRAG_ERR if full.fragmented else WriteError.NO_SPACE
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR, reason) from full
    index = fw.nvm.find(key)
    assert index is not None
    return HwrmNvmWriteOutput(dir_item_length=item.item_length, dir_idx=index)


@COMMANDS.handles(Cmd.NVM_MODIFY, HwrmNvmModifyInput)
def nvm_modify(fw: Firmware, req: HwrmNvmModifyInput) -> HwrmNvmModifyOutput:
    """Write a part of the update area. All other items are written as a whole."""
    entry = _entry(fw, req.dir_idx)
    if entry.type != DirType.UPDATE:
        raise HwrmError(Err.RESOURCE_ACCESS_DENIED)
    if not req.len or req.offset + req.len > entry.item_length:
        raise HwrmError(Err.INVALID_PARAMS)
    data = fw.read(req.host_src_addr, req.len, "NVM item")
    fw.nvm.write_in_place(req.dir_idx, req.offset, data)
    return HwrmNvmModifyOutput()


# -- packages -------------------------------------------------------------------------------------
@COMMANDS.handles(Cmd.NVM_INSTALL_UPDATE, HwrmNvmInstallUpdateInput)
def nvm_install_update(fw: Firmware, req: HwrmNvmInstallUpdateInput) -> HwrmNvmInstallUpdateOutput:
    """Install what is in the update area: the whole package or nothing of it.

    ``install_type`` is not looked at: a package for this card has no optional items.
    """
    try:
        header, items = fw.nvm.update_package()
    except BadPackage as bad:
        return HwrmNvmInstallUpdateOutput(result=bad.result, problem_item=bad.item)
    if not req.flags & InstallFlags.VERIFY_ONLY:
        if req.flags & InstallFlags.ALLOWED_TO_DEFRAG:
            fw.nvm.defragment()
        try:
            fw.nvm.install(header, items)
        except NoSpace as full:
            reason = InstallError.FRAG_ERR if full.fragmented else InstallError.NO_SPACE
            raise HwrmError(Err.RESOURCE_ALLOC_ERROR, reason) from full
    return HwrmNvmInstallUpdateOutput(
        installed_items=(1 << len(items)) - 1, reset_required=RESET_REQUIRED_PCI
    )


@COMMANDS.handles(Cmd.NVM_VERIFY_UPDATE, HwrmNvmVerifyUpdateInput)
def nvm_verify_update(fw: Firmware, req: HwrmNvmVerifyUpdateInput) -> HwrmNvmVerifyUpdateOutput:
    """Whether the update area has a package that could be installed."""
    try:
        fw.nvm.update_package()
    except BadPackage as bad:
        raise HwrmError(Err.FAIL) from bad
    return HwrmNvmVerifyUpdateOutput()


# -- variables ------------------------------------------------------------------------------------
def _index(req: HwrmNvmGetVariableInput | HwrmNvmSetVariableInput) -> int:
    return req.index_0 if req.dimensions else 0


@COMMANDS.handles(Cmd.NVM_GET_VARIABLE, HwrmNvmGetVariableInput)
def nvm_get_variable(fw: Firmware, req: HwrmNvmGetVariableInput) -> HwrmNvmGetVariableOutput:
    """The value of a variable, little-endian, in whole bytes."""
    variable, index = fw.nvm.variable(req.option_num), _index(req)
    if variable is None:
        raise HwrmError(Err.INVALID_PARAMS, GetVariableError.VAR_NOT_EXIST)
    if index >= len(variable.defaults):
        raise HwrmError(Err.INVALID_PARAMS, GetVariableError.INDEX_INVALID)
    if req.data_len < variable.bits:
        raise HwrmError(Err.INVALID_PARAMS, GetVariableError.LEN_TOO_SHORT)
    value = (
        variable.defaults[index]
        if req.flags & VariableFlags.FACTORY_DFLT
        else fw.nvm.value(req.option_num, index)
    )
    fw.write(req.dest_data_addr, value.to_bytes(_bytes(variable), "little"), "NVM variable")
    return HwrmNvmGetVariableOutput(data_len=variable.bits, option_num=req.option_num)


@COMMANDS.handles(Cmd.NVM_SET_VARIABLE, HwrmNvmSetVariableInput)
def nvm_set_variable(fw: Firmware, req: HwrmNvmSetVariableInput) -> HwrmNvmSetVariableOutput:
    """A new value, which is kept; what it would change in the next start is not modelled."""
    variable, index = fw.nvm.variable(req.option_num), _index(req)
    if variable is None:
        raise HwrmError(Err.INVALID_PARAMS, SetVariableError.VAR_NOT_EXIST)
    if index >= len(variable.defaults):
        raise HwrmError(Err.INVALID_PARAMS, SetVariableError.INDEX_INVALID)
    if variable.read_only:
        raise HwrmError(Err.RESOURCE_ACCESS_DENIED, SetVariableError.ACCESS_DENIED)
    if req.data_len != variable.bits:
        raise HwrmError(Err.INVALID_PARAMS, SetVariableError.INVALID_DATA_LEN)
    data = fw.read(req.src_data_addr, _bytes(variable), "NVM variable")
    value = int.from_bytes(data, "little") & (1 << variable.bits) - 1
    try:
        fw.nvm.set_value(req.option_num, index, value)
    except NoSpace as full:
        raise HwrmError(Err.RESOURCE_ALLOC_ERROR) from full
    return HwrmNvmSetVariableOutput()


def _bytes(variable: Variable) -> int:
    return (variable.bits + 7) // 8
