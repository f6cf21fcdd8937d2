# SPDX-License-Identifier: GPL-2.0-only
"""RSS contexts by what ethtool prints, whatever that is."""

from __future__ import annotations

from typing import Any, cast

import pytest

from testbed.dut.defer import DeferStack
from testbed.dut.protocols import Completed, Dut
from testbed.dut.rss_contexts import add_context, new_context
from testbed.errors import GuestCommandFailed


class Ethtool:
    """An end with contexts, ``printed`` when one is made."""

    netdev = "nut0"

    def __init__(self, printed: str = "New RSS context is 7\n") -> None:
        self.printed = printed
        self.contexts: set[str] = set()
        self.said: list[list[str]] = []

    def run(self, argv: list[str], *, check: bool = True, **_: Any) -> Completed:
        self.said.append(argv)
        words = argv[argv.index("context") + 1 :]
        if words[0] == "new":
            self.contexts.add("7")
        code = 0 if words[0] in {"new", *self.contexts} else 1
        if words[-1] == "delete":
            self.contexts.discard(words[0])
        done = Completed(tuple(argv), code, self.printed.encode(), b"", 0.1)
        return done.check() if check else done


def end(*printed: str) -> tuple[Ethtool, Dut]:
    made = Ethtool(*printed)
    return made, cast("Dut", made)


def test_context_is_deleted_at_the_end() -> None:
    guest, dut = end()
    defer = DeferStack()
    assert add_context(dut, defer, "equal", "2") == "7"
    assert guest.said[0] == ["ethtool", "-X", "nut0", "context", "new", "equal", "2"]
    assert guest.contexts == {"7"}
    defer.unwind()
    assert guest.contexts == set()


def test_context_that_has_gone_is_no_failed_undo() -> None:
    guest, dut = end()
    defer = DeferStack()
    add_context(dut, defer)
    guest.contexts.clear()  # as docs/findings/rss-contexts-uncounted.md has it
    defer.unwind()


def test_answer_that_names_none_is_a_failed_command() -> None:
    _, dut = end("something else")
    with pytest.raises(GuestCommandFailed, match="something else"):
        new_context(dut)
