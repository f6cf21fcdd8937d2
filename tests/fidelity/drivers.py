# SPDX-License-Identifier: GPL-2.0-only
"""What drivers of the chip use, read in their sources, and kept in ``drivers.json``.

Only names and numbers are taken: commands, capability bits, doorbells, completions, events,
registers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

RECORD = Path(__file__).with_name("drivers.json")
LINUX = "drivers/net/ethernet/broadcom/bnxt"
DPDK = "drivers/net/bnxt"
IPXE = "src/drivers/net/bnxt"

_DEFINE = re.compile(r"(?m)^\s*#define\s+(\w+)\s+\(?(0x[0-9a-fA-F]+|\d+)U?L{0,2}\b")
_WORDS: Mapping[str, str] = {
    "doorbells": r"\bDBR_TYPE_(\w+)",
    "completions": r"\b(?:CMP_TYPE|CMPL_BASE_TYPE|NQ_CN_TYPE)_(\w+)",
    "events": r"\bASYNC_EVENT_CMPL_EVENT_ID_(\w+)",
}
BITS: Mapping[str, str] = {
    "VER_GET": "VER_GET_RESP_DEV_CAPS_CFG_",
    "FUNC_QCAPS": "FUNC_QCAPS_RESP_FLAGS_",
    "VNIC_QCAPS": "VNIC_QCAPS_RESP_FLAGS_",
    "CFA_ADV_FLOW_MGNT_QCAPS": "CFA_ADV_FLOW_MGNT_QCAPS_RESP_FLAGS_",
    "PORT_PHY_QCAPS": "PORT_PHY_QCAPS_RESP_FLAGS",
}
"""Commands that tell capabilities, and how the names of their bits begin."""
_REGISTER = r"\bBNXT_(?:GRC|GRCPF|TS)_REG_\w+"


@dataclass(frozen=True)
class Drivers:
    """What the sources name, each with its number.

    :ivar sources: driver -> where its source is from.
    :ivar commands: command -> its code, and the drivers that send it.
    :ivar bits: command -> bit -> its value.
    """

    sources: Mapping[str, str]
    commands: Mapping[str, tuple[int, list[str]]]
    bits: Mapping[str, Mapping[str, int]]
    doorbells: Mapping[str, int]
    completions: Mapping[str, int]
    events: Mapping[str, int]
    registers: Mapping[str, int]


def recorded() -> Drivers:
    """What is on file."""
    return Drivers(**json.loads(RECORD.read_text(encoding="utf-8")))


def record(drivers: Drivers) -> None:
    """Put on file."""
    text = json.dumps(asdict(drivers), indent=1, sort_keys=True)
    RECORD.write_text(text + "\n", encoding="utf-8")


def read_drivers(trees: Mapping[str, Path], sources: Mapping[str, str]) -> Drivers:
    """Read the trees of ``linux`` (which has the numbers), and of other drivers."""
    folders = {"linux": LINUX, "dpdk": DPDK, "ipxe": IPXE}
    code = {name: _text((tree / folders[name]).glob("*.c")) for name, tree in trees.items()}
    declared = _text((trees["linux"] / LINUX).glob("*.h"))
    header = (trees["linux"] / "include/linux/bnxt/hsi.h").read_text(encoding="utf-8")
    numbers = {name: int(value, 0) for name, value in _DEFINE.findall(header + declared)}
    codes = _codes(header)
    senders = {
        name: set(re.findall(r"\bHWRM_([A-Z0-9_]+)\b", text)) & codes.keys()
        for name, text in code.items()
    }
    everything = sorted(set().union(*senders.values()))
    return Drivers(
        sources=dict(sources),
        commands={
            name: (codes[name], sorted(who for who, sent in senders.items() if name in sent))
            for name in everything
        },
        bits={
            command: {
                bit.removeprefix(prefix).lstrip("_"): numbers[bit]
                for bit in sorted(set(re.findall(rf"\b{prefix}\w*", code["linux"] + declared)))
            }
            for command, prefix in BITS.items()
        },
        **{kind: _named(words, code["linux"], numbers) for kind, words in _WORDS.items()},
        registers={
            name.removeprefix("BNXT_"): numbers[name]
            for name in sorted(set(re.findall(_REGISTER, declared)) & numbers.keys())
        },
    )


def _text(files: Iterable[Path]) -> str:
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in sorted(files))
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", "".join(texts), flags=re.DOTALL)


def _codes(header: str) -> dict[str, int]:
    """The commands: what ``struct cmd_nums`` defines."""
    table = header[header.index("struct cmd_nums") :]
    defined = _DEFINE.findall(table[: table.index("HWRM_LAST")])
    return {name.removeprefix("HWRM_"): int(value, 0) for name, value in defined}


def _named(words: str, code: str, numbers: Mapping[str, int]) -> dict[str, int]:
    """What the code names, with its number."""
    found = {one[0]: one[1] for one in re.finditer(words, code)}
    return {name: numbers[whole] for whole, name in sorted(found.items()) if whole in numbers}
