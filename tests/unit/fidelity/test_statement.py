# SPDX-License-Identifier: GPL-2.0-only
"""The fidelity statement is current, and nothing of the card is left out of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from devmodel.bnxt.cmd.table import Command
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import HwrmInput
from devmodel.bnxt.hwrm import COMMANDS
from tests.fidelity.drivers import DPDK, IPXE, LINUX, read_drivers, recorded
from tests.fidelity.page import documents
from tests.fidelity.statement import Answer, Row, Rows, answer_of, has_test, problems, read_rows

HEADER = """
struct cmd_nums {
	#define HWRM_VER_GET 0x0UL
	#define HWRM_FUNC_RESET 0x11UL
	#define HWRM_RING_ALLOC 0x50UL
	#define HWRM_PORT_CLR_STATS 0x25UL
	#define HWRM_LAST 0x1UL
};
#define FUNC_QCAPS_RESP_FLAGS_EXT2_A_SUPPORTED 0x40UL
#define ASYNC_EVENT_CMPL_EVENT_ID_RESET_NOTIFY 0x8UL
"""
CODE = """
/* HWRM_PORT_CLR_STATS is not sent */
rc = hwrm_req_init(bp, req, HWRM_VER_GET);
if (flags & FUNC_QCAPS_RESP_FLAGS_EXT2_A_SUPPORTED) x = HWRM_CMD_TIMEOUT;
case ASYNC_EVENT_CMPL_EVENT_ID_RESET_NOTIFY: case CMP_TYPE_RX_L2_CMP: db = DBR_TYPE_SQ;
"""
DECLARED = """
 #define CMP_TYPE_RX_L2_CMP 17
#define DBR_TYPE_SQ (0x0ULL << 60)
#define DBR_TYPE_NULL (0xfULL << 60)
#define BNXT_GRC_REG_STATUS_P5 0x520
"""


@pytest.fixture
def rows() -> Rows:
    return read_rows()


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_documents_are_current(path: Path) -> None:
    wanted = documents()[path]
    assert path.read_text(encoding="utf-8") == wanted, "run: python -P -m tests.fidelity"


def test_rows_and_card_agree(rows: Rows) -> None:
    assert list(problems(rows, recorded())) == []


def test_all_that_bnxt_en_sends_is_there() -> None:
    sent = [name for name, (_, who) in recorded().commands.items() if "linux" in who]
    assert len(sent) == 129
    assert sum(map(len, recorded().bits.values())) == 64


def test_a_handler_without_a_row(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, Cmd.QUEUE_CFG, Command(HwrmInput, lambda *_: None))
    found = list(problems(rows, recorded()))
    assert found == ["commands.QUEUE_CFG: the card has it, rows.toml does not"]


def test_a_row_without_a_handler(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(COMMANDS, Cmd.STAT_CTX_FREE)
    found = list(problems(rows, recorded()))
    assert found == ["commands.STAT_CTX_FREE: rows.toml has it, the card does not"]


def test_rows_that_say_what_cannot_be(rows: Rows) -> None:
    rows.commands["VER_GET"] = Row(Answer.MISSING, rows.commands["VER_GET"].test)
    rows.commands["RING_RESET"] = Row(Answer.MODELLED, rows.commands["RING_RESET"].test)
    rows.doorbells["SQ"] = Row(Answer.MODELLED, "unit/devmodel/bnxt/test_tx.py::test_nothing")
    rows.events["NEWER"] = Row(Answer.ABSENT)
    del rows.bits["VNIC_QCAPS"]["RE_FLUSH_CAP"]
    assert sorted(problems(rows, recorded())) == [
        "bits.VNIC_QCAPS.RE_FLUSH_CAP: the card has it, rows.toml does not",
        "commands.RING_RESET: the card refuses it; it is not modelled",
        "commands.VER_GET: missing follows from the code, and needs no line",
        "doorbells.SQ: no such test: 'unit/devmodel/bnxt/test_tx.py::test_nothing'",
        "events.NEWER: rows.toml has it, the card does not",
    ]


def test_answers_follow_from_the_code(rows: Rows) -> None:
    names = ("VER_GET", "RING_RESET", "QUEUE_CFG", "OEM_CMD")
    assert [answer_of(name, rows) for name in names] == [
        Answer.MODELLED, Answer.REFUSED, Answer.MISSING, Answer.ABSENT,
    ]  # fmt: skip


def test_a_test_is_a_function_of_its_file() -> None:
    here = "unit/fidelity/test_statement.py"
    assert has_test(f"{here}::test_a_test_is_a_function_of_its_file")
    assert not any(has_test(node) for node in ("", here, f"{here}::test", "unit/none.py::test_a"))


def test_names_are_read_in_sources(tmp_path: Path) -> None:
    trees = {"linux": LINUX, "dpdk": DPDK, "ipxe": IPXE}
    for name, folder in trees.items():
        (tmp_path / name / folder).mkdir(parents=True)
        (tmp_path / name / folder / "bnxt.c").write_text("")
    (tmp_path / "linux" / LINUX / "bnxt.c").write_text(CODE)
    (tmp_path / "linux" / LINUX / "bnxt.h").write_text(DECLARED)
    (tmp_path / "linux/include/linux/bnxt").mkdir(parents=True)
    (tmp_path / "linux/include/linux/bnxt/hsi.h").write_text(HEADER)
    (tmp_path / "ipxe" / IPXE / "bnxt.c").write_text("cmd(HWRM_VER_GET); cmd(HWRM_FUNC_RESET);")
    found = read_drivers({name: tmp_path / name for name in trees}, {"linux": "here"})
    assert dataclasses.asdict(found) == {
        "sources": {"linux": "here"},
        "commands": {"FUNC_RESET": (0x11, ["ipxe"]), "VER_GET": (0, ["ipxe", "linux"])},
        "bits": {
            "VER_GET": {}, "FUNC_QCAPS": {"EXT2_A_SUPPORTED": 0x40}, "VNIC_QCAPS": {},
            "CFA_ADV_FLOW_MGNT_QCAPS": {}, "PORT_PHY_QCAPS": {},
        },
        "doorbells": {"SQ": 0}, "completions": {"RX_L2_CMP": 17}, "events": {"RESET_NOTIFY": 8},
        "registers": {"GRC_REG_STATUS_P5": 0x520},
    }  # fmt: skip
