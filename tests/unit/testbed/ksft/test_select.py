# SPDX-License-Identifier: GPL-2.0-only
"""Which selftest files a PATH means."""

from __future__ import annotations

import pytest

from testbed.errors import UsageProblem
from testbed.ksft.select import TestFile, parse_list, select

LIST = """\
drivers/net:hds.py
drivers/net:queues.py
drivers/net:stats.py
drivers/net/hw:csum.py
drivers/net/hw:ntuple.py
drivers/net/hw:rss_api.py
drivers/net/hw:rss_ctx.py
"""
INSTALLED = parse_list(LIST)


def chosen(*wanted: str) -> list[str]:
    return [test.path for test in select(wanted, INSTALLED)]


def test_parse_list_skips_what_is_no_entry() -> None:
    assert parse_list("\nbroken\ndrivers/net:a.py\n:b\nc:\n") == (TestFile("drivers/net", "a.py"),)


@pytest.mark.parametrize(
    "entry",
    ["drivers/net/hds.py", "hds.py", "./hds.py", "tools/testing/selftests/drivers/net/hds.py"],
)
def test_file_in_every_spelling(entry: str) -> None:
    assert chosen(entry) == ["drivers/net/hds.py"]


@pytest.mark.parametrize("entry", ["drivers/net/hw/ntuple.py", "hw/ntuple.py", "ntuple.py"])
def test_file_below_hw_in_every_spelling(entry: str) -> None:
    assert chosen(entry) == ["drivers/net/hw/ntuple.py"]


def test_folder_takes_the_folders_below() -> None:
    assert chosen("hw/") == [t.path for t in INSTALLED if t.folder == "drivers/net/hw"]
    assert len(chosen("drivers/net")) == len(INSTALLED)


def test_glob_stays_in_its_folder() -> None:
    assert chosen("drivers/net/*s.py") == [
        "drivers/net/hds.py", "drivers/net/queues.py", "drivers/net/stats.py",
    ]  # fmt: skip
    assert chosen("hw/rss_*") == ["drivers/net/hw/rss_api.py", "drivers/net/hw/rss_ctx.py"]


def test_order_is_the_users_and_nothing_comes_twice() -> None:
    assert chosen("hw/ntuple.py", "hds.py", "hw/nt*") == [
        "drivers/net/hw/ntuple.py", "drivers/net/hds.py",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ("hw/ntupel.py", "hw/ntuple.py"),
        ("drivers/net/queue.py", "queues.py"),
        ("wifi", "drivers/net/hw"),
        ("", "drivers/net/hw"),
    ],
)
def test_unknown_path_names_what_is_near(entry: str, hint: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        chosen(entry)
    assert repr(entry) in "\n".join(problem.value.lines())
    assert hint in "\n".join(problem.value.lines())
