# SPDX-License-Identifier: GPL-2.0-only
"""nightly.toml: what it may say; a mistake is told with file, key and allowed values."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from testbed import ROOT
from testbed.errors import ConfigProblem
from testbed.nightly.config import KINDS, load
from tests.unit.testbed.nightly.nights import CONFIG, config


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("name = 1", "name", "1 is not allowed"),
        ('name = "n"\nminutes = 5', "kernel", "is missing"),
        (CONFIG.replace("60", '"60"'), "minutes", "a number in 0.1..10080"),
        (CONFIG.replace("60", "0"), "minutes", "0"),
        (CONFIG.replace('"net"', '"../net"'), "name", "letters"),
        (CONFIG.replace('["rings"]', '["ring"]'), "[[suite]] 1.suites", "rings"),
        (CONFIG.replace('["irq-storm"]', '["irq"]'), "[[faults]] 1.faults", "faults list"),
        (CONFIG.replace('"uml"]', '"xen"]', 1), "[[kernel]] 1.engines", "uml-san"),
        (CONFIG.replace("version", "versoin"), "[[kernel]] 1.versoin", "branch"),
        (CONFIG.replace('version = "7.2"', 'branch = "b"'), "kernel", "one of version"),
        (CONFIG + '[[suite]]\nsuites = ["zcrx"]', "suite", "twice"),
        (CONFIG + '[[job]]\nkernels = ["8.0"]', "[[job]] 1.kernels", "7.2"),
        (CONFIG + '[[job]]\npersonalities = ["odd"]', "[[job]] 1.personalities", "plain"),
        (CONFIG + '[[personality]]\nname = "p"\ncard_options = {x = 1}', "[[personality]] 1", "x"),
        (CONFIG + '[[suite]]\nname = "b"\nsuites = ["zcrx"]\nsample = "4/4"', "2.sample", "K/N"),
        (CONFIG + '[[compare]]\nvariants = ["epoll"]', "[[compare]] 1.variants", "two or more"),
        (CONFIG + '[[wire]]\nnics = ["bnxt", "ne2000"]', "[[wire]] 1.nics", "e1000e"),
        (CONFIG + "[[wire]]\nrounds = 5", "[[wire]] 1.rounds", "6..1000"),
        (CONFIG + '[[compare]]\nvariants = ["e", "f"]', "[[compare]] 1.variants", "e"),
        (
            CONFIG + '[[known]]\ntest = "*"\nreason = "r"\nsince = 2026-01-02\nuntil = 2026-01-01',
            "[[known]] 1.until", "is before",
        ),
        (CONFIG + '[[known]]\ntest = "*"\nreason = "r"\nsince = "x"', "since", "a date"),
        (CONFIG[: CONFIG.index("[[suite]]")], "(whole file)", "nothing to run"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_key_and_what_is_allowed(
    text: str, key: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigProblem) as caught:
        config(tmp_path, text)
    told = " ".join(caught.value.lines())
    assert str(tmp_path / "nightly.toml") in told
    assert key in caught.value.key, told
    assert says in told


def test_every_kind_has_a_table(tmp_path: Path) -> None:
    tables = {
        "suite": 'suites = ["rings"]\nsample = "today/4"', "job": "", "ksft": 'files = ["hds.py"]',
        "faults": 'faults = ["all"]', "fuzz": "minutes = 10",
        "compare": 'variants = ["epoll", "zcrx"]',
        "page_pool": "", "wire": 'nics = ["bnxt", "igb"]', "coverage": "", "findings": "",
    }  # fmt: skip
    text = CONFIG[: CONFIG.index("[[suite]]")]
    found = config(tmp_path, text + "".join(f"[[{kind}]]\n{one}\n" for kind, one in tables.items()))
    assert tuple(found.work) == KINDS


def test_known_failures_have_their_days(tmp_path: Path) -> None:
    text = '[[known]]\ntest = "suite rings/*"\nreason = "r"\nsince = 2026-11-02\nuntil = 2026-11-04'
    (known,) = config(tmp_path, f"{CONFIG}{text}\n").known
    assert known.covers("7.2 · uml · plain", "suite rings/test_restart.py::test_a")
    assert not known.covers("7.2 · uml · plain", "suite zcrx/test_a.py::test_a")
    days = [day for day in range(1, 7) if known.excuses(date(2026, 11, day))]
    assert days == [2, 3, 4]


def test_the_examples_can_be_read() -> None:
    for name in ("nightly.example.toml", "nightly.small.toml"):
        assert load(ROOT / "docs" / name).work, name
