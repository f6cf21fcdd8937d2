# SPDX-License-Identifier: GPL-2.0-only
"""Outside devmodel/bnxt nothing speaks of that card; tests/protocol runs another one without it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import devmodel

PACKAGE = Path(devmodel.__file__).parent
GENERIC = sorted(path for path in PACKAGE.rglob("*.py") if "bnxt" not in path.parts)

# Words of the card: firmware commands, structures, rings and registers. Each is looked for as a
# whole part of an identifier, in code, texts and comments.
WORDS = (
    "aggs?", "bcm[0-9a-z]*", "bnxt", "broadcom", "chimp", "cmpl", "cqe?s?", "drv", "func_[a-z]+",
    "grc", "hds", "hsi", "hwrm", "jumbo", "netxtreme", "nqe?s?", "ntuple", "plcmodes", "rgtr",
    "ring_(alloc|free|grp)", "stat_ctx", "thor", "tpa", "unrgtr", "vnics?",
)  # fmt: skip
CARDS_WORD = re.compile(rf"(?<![a-z0-9])({'|'.join(WORDS)})(?![a-z0-9])", re.IGNORECASE)
# The project's own name, and the two lines in which a card is registered.
ALLOWED = re.compile(r'bnxt-testbed|"bnxt": "devmodel\.bnxt\.make:make_card"|DEFAULT_CARD = "bnxt"')


@pytest.mark.parametrize("path", GENERIC, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_word_of_the_card(path: Path) -> None:
    found = [
        f"{number}: {word.group()}: {line.strip()}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word in CARDS_WORD.finditer(ALLOWED.sub("", line))
    ]
    assert not found


def test_the_words_are_found() -> None:
    for text in ("HWRM", "unknown_hwrm", "ring.nqs", "_RX_TPA", "VNICs", "FUNC_RESET", "Bcm57508"):
        assert CARDS_WORD.search(text), text
    for text in ("function", "nqueues", "bnxtish", "aggregate"):
        assert not CARDS_WORD.search(text), text


def test_card_starts_without_what_only_others_need() -> None:
    """Each of these costs every card some milliseconds, and most are there by way of another."""
    program = "import sys, devmodel.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", program], env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    needless = {"http", "ssl", "email", "urllib.request", "asyncio", "logging", "platform", "xml"}
    assert not needless & set(done.stdout.split())
