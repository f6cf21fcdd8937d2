# SPDX-License-Identifier: GPL-2.0-only
"""The NVM of this board: what it has from its factory, and what the card reads from it."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

from devmodel.bnxt.config_space import vital_product_data
from devmodel.bnxt.hsi.nvm import InstallResult
from devmodel.bnxt.identity import Identity, Version
from devmodel.bnxt.nvm.image import (
    BadPackage,
    DirType,
    PackageHeader,
    firmware_image,
    image_version,
    read_package,
)
from devmodel.bnxt.nvm.media import BLOCK_BYTES, NVM_BYTES, Medium
from devmodel.bnxt.nvm.store import Item, NvmStore
from devmodel.bnxt.nvm.variables import Variable, read_records, variables, write_records

_LOG_BYTES = BLOCK_BYTES
_UPDATE_BYTES = 1 << 20
_NO_CHECKSUM = 1
"""BNX_DIR_ATTR_NO_CHKSUM."""
_VERSION_FIELD = 2
"""BNX_PKG_LOG_FIELD_IDX_PKG_VERSION."""
_FACTORY_CODE = (
    (DirType.BOOTCODE, 32 << 10),
    (DirType.BOOTCODE_2, 64 << 10),
    (DirType.APE_FW, 32 << 10),
)
LOG = (DirType.PKG_LOG, 0, 0)
HWRM_FIRMWARE = (DirType.BOOTCODE_2, 0, 0)
MANAGEMENT_FIRMWARE = (DirType.APE_FW, 0, 0)


@dataclass(frozen=True, slots=True)
class Versions:
    """What firmware there is: the package, and the parts of it that have versions of their own."""

    package: str
    firmware: Version
    management_firmware: Version


def factory_versions(nic: Identity) -> Versions:
    """Those of a new board."""
    return Versions(nic.package, nic.firmware, nic.management_firmware)


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _log_line(header: PackageHeader, items: int) -> bytes:
    version = header.version.partition(b"\0")[0].decode("ascii", "replace")
    description = header.description.partition(b"\0")[0].decode("ascii", "replace")
    fields = ("N/A", description, version, "N/A", f"{header.chksum:08X}", str(items), "N/A")
    return "\t".join(field.replace("\t", " ").replace("\n", " ") for field in fields).encode(
        "ascii", "replace"
    )


def factory_items(nic: Identity) -> list[Item]:
    """Directory of a new board; sizes are guesses."""
    package = PackageHeader(version=nic.package.encode("ascii"), description=b"factory")
    versions = {DirType.APE_FW: nic.management_firmware}
    return [
        Item((DirType.VPD, 0, 0), vital_product_data(nic)),
        *(
            Item(
                (kind, 0, 0), firmware_image(kind, _dotted(versions.get(kind, nic.firmware)), size)
            )
            for kind, size in _FACTORY_CODE
        ),
        Item(LOG, _log_line(package, len(_FACTORY_CODE)) + b"\n", item_length=_LOG_BYTES),
        Item((DirType.SHARED_CFG, 0, 0), b"", item_length=BLOCK_BYTES),
        Item((DirType.PORT_CFG, 0, 0), b"", item_length=BLOCK_BYTES),
        Item((DirType.FUNC_CFG, 0, 0), b"", item_length=BLOCK_BYTES),
        Item((DirType.UPDATE, 0, 0), b"", attr=_NO_CHECKSUM, item_length=_UPDATE_BYTES),
    ]


class BoardNvm(NvmStore):
    """Items, variables, versions and packages of one board."""

    def __init__(self, nic: Identity, medium: Medium | None = None) -> None:
        """With no ``medium`` a new board, in memory. Raises BadMedium."""
        self._nic = nic
        self._variables = variables(nic)
        super().__init__(medium or mmap.mmap(-1, NVM_BYTES), lambda: factory_items(nic))

    # -- versions -----------------------------------------------------------------------------
    def versions(self) -> Versions:
        """What a start of the firmware finds; what is missing or broken is as from the factory."""
        factory = factory_versions(self._nic)
        return Versions(
            package=self._package() or factory.package,
            firmware=self._version(HWRM_FIRMWARE, factory.firmware),
            management_firmware=self._version(MANAGEMENT_FIRMWARE, factory.management_firmware),
        )

    def _package(self) -> str:
        lines = (self.data_of(LOG) or b"").splitlines()
        fields = lines[-1].split(b"\t") if lines else []
        text = fields[_VERSION_FIELD] if len(fields) > _VERSION_FIELD else b""
        return text.decode("ascii", "replace")[:15] if text.isascii() else ""

    def _version(self, key: tuple[DirType, int, int], factory: Version) -> Version:
        parts = (image_version(key[0], self.data_of(key) or b"") or "").split(".")
        if len(parts) != len(factory) or not all(p.isascii() and p.isdecimal() for p in parts):
            return factory
        major, minor, build, patch = (int(part) & 0xFFFF for part in parts)
        return major, minor, build, patch

    # -- variables ----------------------------------------------------------------------------
    def variable(self, option: int) -> Variable | None:
        """The variable with that number, or None."""
        return self._variables.get(option)

    def value(self, option: int, index: int) -> int:
        """Value of a variable that exists, at an index that it has."""
        variable = self._variables[option]
        records = read_records(self.data_of((variable.item, 0, 0)) or b"")
        mask = (1 << variable.bits) - 1
        return records.get((option, index), variable.defaults[index]) & mask

    def set_value(self, option: int, index: int, value: int) -> None:
        """Change a variable that exists, at an index that it has. Raises NoSpace."""
        variable = self._variables[option]
        key = (variable.item, 0, 0)
        records = {
            place: kept
            for place, kept in read_records(self.data_of(key) or b"").items()
            if place[0] in self._variables and place[1] < len(self._variables[place[0]].defaults)
        }
        records[option, index] = value
        self.put([Item(key, write_records(records), item_length=BLOCK_BYTES)])

    # -- packages -----------------------------------------------------------------------------
    def update_package(self) -> tuple[PackageHeader, list[Item]]:
        """What is in the update area. Raises BadPackage."""
        index = self.find((DirType.UPDATE, 0, 0))
        if index is None:
            raise BadPackage(InstallResult.ITEM_NOT_FOUND)
        return read_package(self.data(index), self._nic.chip_num)

    def install(self, header: PackageHeader, items: list[Item]) -> None:
        """All items of the package and the line in the log: all at once. Raises NoSpace."""
        line = _log_line(header, len(items)) + b"\n"
        log = (self.data_of(LOG) or b"")[-(_LOG_BYTES - len(line)) :] + line
        self.put([*items, Item(LOG, log, item_length=_LOG_BYTES)])
