# SPDX-License-Identifier: GPL-2.0-only
"""The statement: every name of ``drivers.json`` with what the card does, out of code and rows.

The code says what is handled, refused, told; ``rows.toml`` says how far it goes and which test
shows it. Where the two disagree, :func:`problems` says so.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from devmodel.bnxt.hsi.cfa import HwrmCfaAdvFlowMgntQcapsInput
from devmodel.bnxt.hsi.cmds import REFUSED, REFUSED_AS_REAL, Cmd
from devmodel.bnxt.hsi.func import HwrmFuncQcapsInput
from devmodel.bnxt.hsi.phy import HwrmPortPhyQcapsInput
from devmodel.bnxt.hsi.ver import HwrmVerGetInput
from devmodel.bnxt.hsi.vnic import HwrmVnicQcapsInput
from devmodel.bnxt.hwrm import COMMANDS
from testbed import ROOT
from testbed.schema import read_toml
from tests.fidelity.drivers import Drivers, recorded
from tests.unit.devmodel.bnxt.cardhost import CardHost

ROWS = Path(__file__).with_name("rows.toml")
KINDS = ("doorbells", "completions", "events", "registers")


class Answer(StrEnum):
    """How far the card goes."""

    MODELLED = "modelled"
    CONSTANT = "constant"
    REFUSED = "refused"
    MISSING = "missing"
    ABSENT = "absent"


MEANING: Mapping[Answer, str] = {
    Answer.MODELLED: "it has the effect that it has on a real card",
    Answer.CONSTANT: "answered, but the answer is fixed, or the request has little effect",
    Answer.REFUSED: "refused, as the real card refuses it",
    Answer.MISSING: "refused, because this card lacks it",
    Answer.ABSENT: "not even its name is known, or the capability is not told",
}


@dataclass(frozen=True)
class Row:
    """What is written by hand of one name. ``test`` is below ``tests``, "" for what is absent."""

    answer: Answer = Answer.MODELLED
    test: str = ""
    note: str = ""


@dataclass(frozen=True)
class Rows:
    """rows.toml."""

    commands: dict[str, Row]
    bits: dict[str, dict[str, Row]]
    doorbells: dict[str, Row]
    completions: dict[str, Row]
    events: dict[str, Row]
    registers: dict[str, Row]


@dataclass(frozen=True)
class Entry:
    """One line of the statement. ``drivers`` are those that use it."""

    name: str
    number: int
    answer: Answer
    drivers: list[str] = field(default_factory=lambda: ["linux"])
    test: str = ""
    note: str = ""


def read_rows(file: Path = ROWS) -> Rows:
    """The rows on file. Raises ConfigProblem."""
    return read_toml(Rows, file)


def told_bits() -> dict[str, dict[str, bool]]:
    """Command -> bit -> whether the default card tells it, by its own answers."""
    host = CardHost()
    version = host.call(HwrmVerGetInput())
    func = host.call(HwrmFuncQcapsInput(fid=0xFFFF))
    phy = host.call(HwrmPortPhyQcapsInput())
    words = {
        "VER_GET": {"": version.dev_caps_cfg},
        "FUNC_QCAPS": {
            "EXT_STATS": func.flags, "EXT3_": func.flags_ext3, "EXT2_": func.flags_ext2,
            "EXT_": func.flags_ext, "": func.flags,
        },
        "VNIC_QCAPS": {"": host.call(HwrmVnicQcapsInput()).flags},
        "CFA_ADV_FLOW_MGNT_QCAPS": {"": host.call(HwrmCfaAdvFlowMgntQcapsInput()).flags},
        "PORT_PHY_QCAPS": {"2_": phy.flags2, "": phy.flags},
    }  # fmt: skip
    return {
        command: {
            bit: bool(next(w for begin, w in words[command].items() if bit.startswith(begin)) & n)
            for bit, n in bits.items()
        }
        for command, bits in recorded().bits.items()
    }


def answer_of(command: str, rows: Rows) -> Answer:
    """What the code does with a command; of what it handles, what the row says."""
    code = Cmd.__members__.get(command)
    if code in COMMANDS:
        return rows.commands.get(command, Row()).answer
    if code in REFUSED_AS_REAL:
        return Answer.REFUSED
    return Answer.MISSING if code in REFUSED else Answer.ABSENT


def entries(rows: Rows, drivers: Drivers) -> dict[str, list[Entry]]:
    """The statement: a list for each kind of thing."""
    names = {**{c.name: (int(c), []) for c in Cmd}, **drivers.commands}
    found = {
        "commands": [
            _entry(name, code, answer_of(name, rows), rows.commands, list(who))
            for name, (code, who) in sorted(names.items())
        ]
    }
    for command, bits in told_bits().items():
        of = rows.bits.get(command, {})
        found[f"bits of {command}"] = [
            _entry(bit, drivers.bits[command][bit], Answer.MODELLED if told else Answer.ABSENT, of)
            for bit, told in bits.items()
        ]
    for kind in KINDS:
        of = getattr(rows, kind)
        numbers: Mapping[str, int] = getattr(drivers, kind)
        found[kind] = [
            _entry(name, number, of.get(name, Row(Answer.ABSENT)).answer, of)
            for name, number in numbers.items()
        ]
    return found


def _entry(
    name: str, number: int, answer: Answer, rows: Mapping[str, Row], who: list[str] | None = None
) -> Entry:
    row = rows.get(name, Row())
    return Entry(name, number, answer, ["linux"] if who is None else who, row.test, row.note)


def problems(rows: Rows, drivers: Drivers) -> Iterator[str]:
    """Where code and rows disagree, and tests that are not there."""
    due = {Cmd(code).name for code in {*COMMANDS, *REFUSED_AS_REAL}}
    yield from _difference("commands", due, set(rows.commands))
    for name, row in rows.commands.items():
        if row.answer in (Answer.MISSING, Answer.ABSENT):
            yield f"commands.{name}: {row.answer} follows from the code, and needs no line"
        if Cmd.__members__.get(name) in REFUSED_AS_REAL and row.answer is not Answer.REFUSED:
            yield f"commands.{name}: the card refuses it; it is not {row.answer}"
    for command, bits in told_bits().items():
        told = {bit for bit, is_told in bits.items() if is_told}
        yield from _difference(f"bits.{command}", told, set(rows.bits.get(command, {})))
    for kind in KINDS:
        yield from _difference(kind, set(getattr(drivers, kind)), set(getattr(rows, kind)))
    for place, row in _all(rows):
        if row.answer is not Answer.ABSENT and not has_test(row.test):
            yield f"{place}: no such test: {row.test!r}"


def _difference(place: str, due: set[str], have: set[str]) -> Iterator[str]:
    for name in sorted(due ^ have):
        has, lacks = ("the card", ROWS.name) if name in due else (ROWS.name, "the card")
        yield f"{place}.{name}: {has} has it, {lacks} does not"


def _all(rows: Rows) -> Iterator[tuple[str, Row]]:
    for command, bits in rows.bits.items():
        yield from ((f"bits.{command}.{name}", row) for name, row in bits.items())
    for kind in ("commands", *KINDS):
        yield from ((f"{kind}.{name}", row) for name, row in getattr(rows, kind).items())


def has_test(node: str) -> bool:
    """Whether a test of that name is in that file."""
    file, _, name = node.partition("::")
    path = ROOT / "tests" / file
    if not path.is_file() or not name:
        return False
    return re.search(rf"(?m)^\s*def {re.escape(name)}\(", path.read_text("utf-8")) is not None


def as_json(found: Mapping[str, list[Entry]], drivers: Drivers) -> str:
    """docs/fidelity.json."""
    document = {
        "sources": dict(drivers.sources),
        "counts": {kind: Counter(one.answer for one in some) for kind, some in found.items()},
        **{kind: [asdict(one) for one in some] for kind, some in found.items()},
    }
    return json.dumps(document, indent=1) + "\n"
