# SPDX-License-Identifier: GPL-2.0-only
"""Heads of findings: what is allowed in them, and which kernels they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import ConfigProblem
from testbed.findings.head import Disclosure, Head, Impact, SplatPattern, Status, Trigger
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.splat_report import reports
from testbed.schema import read_toml
from tests.unit.testbed.findings.heads import ABOUT, REPRODUCER, checked

SHOWS = 'failure = "it broke"\n'
FLAVOURS = 'flavours = ["uml-san", "debian"]\n'
SEEN = checked("7.2.12", "uml-san", hashes=1)


def head(more: str = "", tables: str = SEEN, change: tuple[str, str] = ("", "")) -> Head:
    text = f'id = "a-bug"\n{ABOUT}{FLAVOURS}{SHOWS}{more}{REPRODUCER}{tables}'
    assert change[0] in text
    return read_toml(Head, Path("a-bug.md"), text.replace(change[0], change[1], 1))


@pytest.mark.parametrize(
    ("change", "message", "allowed"),
    [
        (('"open"', '"closed"'), "status: 'closed' is not allowed", "limitation"),
        (('needs = "none"', 'needs = "luck"'), "needs: 'luck' is not allowed", "lying card"),
        (('"root"', '"nobody"'), "trigger: 'nobody' is not allowed", "wire"),
        (('"warning"', '"harm"'), "impact: 'harm' is not allowed", "use after free"),
        (('["uml-san", "debian"]', '["kasan"]'), "flavours: 'kasan' is not allowed", "uml-smp"),
        (('flavour = "uml-san"\ndate', 'flavour = "x"\ndate'), "1.flavour: 'x'", "debian"),
        (('"7.2.12"', '"seven"'), r"1.kernel: 'seven' is not allowed", "such as 7.2.12, 7.3-rc7"),
        (('"7.2.12"', "7.2"), r"1.kernel: 7.2 is not allowed", "such as 7.2.12, 7.3-rc7"),
        (('"open"', '"duplicate"'), "duplicate_of: goes with", "id of the other"),
        (('"open"', '"open"\nduplicate_of = "b"'), "duplicate_of: goes with", "id of the other"),
        (('"open"', '"fixed"'), "fixed: is missing, and the status is fixed", ""),
        ((SHOWS, ""), "neither a", ""),
        (("shown = 20", "shown = 0"), "introduced: is missing", ""),
        ((SEEN, SEEN * 2), "checked: 7.2.12 uml-san is counted twice", ""),
        (("test = ", "# "), "reproducer: nothing to run", "fault, test, schedule, script"),
        (("test = ", 'schedule = "../x"\ntest = '), "schedule: '../x' is no", "schedule.json"),
        (("test = ", 'script = "../x"\ntest = '), "script: '../x' is no", "reproduce.sh"),
        (('engine = "uml"', 'engine = "lab"'), "engine: 'lab' is not allowed", "qemu"),
        (("deterministic = true\n", ""), "reproducer.deterministic: is missing", "true, false"),
        ((SHOWS, SHOWS + "introduced = {commit = '1'}\n"), "introduced.version: is missing", ""),
        ((SHOWS, SHOWS + "fixed = {version = '7.4', stable = ['x']}\n"), "fixed.stable", "7.2.12"),
    ],
)  # fmt: skip
def test_mistake_is_named_with_what_is_allowed(
    change: tuple[str, str], message: str, allowed: str
) -> None:
    with pytest.raises(ConfigProblem, match=message) as caught:
        head(change=change)
    assert allowed in str(caught.value.remedy)


FIXED = "fixed = {version = '7.4', stable = ['7.2.14', '7.3.2']}\n"
INTRODUCED = "introduced = {version = '6.16'}\n"


@pytest.mark.parametrize(
    ("more", "release", "may"),
    [
        ("", "7.2.12", True),
        ("", "7.2.11", False),
        ("", "7.9-rc1", True),
        ("", "mine", False),
        (INTRODUCED, "6.16-rc1", True),
        (INTRODUCED, "6.15.9", False),
        (FIXED, "7.2.13", True),
        (FIXED, "7.2.14", False),
        (FIXED, "7.3.1", True),
        (FIXED, "7.3.2", False),
        (FIXED, "7.4-rc1", True),
        (FIXED, "7.4", False),
        (FIXED, "7.5-rc1", False),
    ],
)
def test_kernels_from_the_first_up_to_the_fix_may_have_it(
    more: str, release: str, may: bool
) -> None:
    assert head(more).may_be_in(GuestKernel.of(release)) is may


def test_first_kernel_is_the_oldest_that_showed_it() -> None:
    tables = checked("7.1.3", "uml-san", shown=0) + SEEN + checked("7.3-rc7", "debian")
    found = head(tables=tables)
    assert not found.may_be_in(GuestKernel.of("7.1.3"))
    assert found.may_be_in(GuestKernel.of("7.2.12"))


def test_it_shows_on_listed_flavours_of_kernels_that_may_have_it() -> None:
    found = head()
    assert found.may_show_on(GuestKernel.of("7.3.4-amd64"))
    assert not found.may_show_on(GuestKernel.of("7.2.12-testbed-uml"))
    assert not found.may_show_on(GuestKernel.of("7.1.0-testbed-uml-san"))


@pytest.mark.parametrize(
    ("release", "stock", "every_time"),
    [
        ("7.2.12-testbed-uml-san", True, True),
        ("7.2.12-testbed-uml-san", False, False),
        ("7.2.12-testbed-uml", True, False),
        ("7.2.13-testbed-uml-san", True, False),
        ("7.2.12+deb13-amd64", True, False),
    ],
)
def test_only_a_stock_kernel_that_was_checked_shows_it_every_time(
    release: str, stock: bool, every_time: bool
) -> None:
    found = head(tables=SEEN + checked("7.2.12", "debian", runs=20, shown=19))
    assert found.shows_every_time_on(GuestKernel.of(release, stock=stock)) is every_time


@pytest.mark.parametrize(
    ("release", "stock", "known"),
    [
        ("7.2.12-testbed-uml", True, True),  # which does not show it
        ("7.2.12-testbed-uml", False, False),
        ("7.2.13-testbed-uml-san", True, False),
        ("7.1.3-testbed-uml", True, False),
    ],
)
def test_a_version_that_showed_it_has_it_whatever_the_flavour(
    release: str, stock: bool, known: bool
) -> None:
    found = head(tables=SEEN + checked("7.1.3", "uml-san", shown=0))
    assert found.is_known_in(GuestKernel.of(release, stock=stock)) is known


@pytest.mark.parametrize(
    ("trigger", "status", "impact", "disclosure"),
    [
        (Trigger.USER, Status.OPEN, Impact.USE_AFTER_FREE, Disclosure.PRIVATE),
        (Trigger.WIRE, Status.OPEN, Impact.STALL, Disclosure.PRIVATE),
        (Trigger.USER, Status.OPEN, Impact.WRONG_ANSWER, Disclosure.PUBLIC),
        (Trigger.USER, Status.REPORTED, Impact.USE_AFTER_FREE, Disclosure.PUBLIC),
        (Trigger.ROOT, Status.OPEN, Impact.PANIC, Disclosure.PUBLIC),
        (Trigger.CARD, Status.OPEN, Impact.MEMORY_CORRUPTION, Disclosure.PUBLIC),
    ],
)
def test_what_anybody_can_do_harm_with_is_private_while_it_is_open(
    trigger: Trigger, status: Status, impact: Impact, disclosure: Disclosure
) -> None:
    about = ('status = "open"', f'status = "{status}"')
    found = head(change=about)
    text = f'id = "a-bug"\n{ABOUT}{FLAVOURS}{SHOWS}{REPRODUCER}{SEEN}'.replace(*about)
    text = text.replace('"root"', f'"{trigger}"').replace('"warning"', f'"{impact}"')
    assert found.disclosure is Disclosure.PUBLIC
    assert read_toml(Head, Path("a-bug.md"), text).disclosure is disclosure


OF_ONE_BUILD = [
    r"net/core/dev\\.c:7754", r"dev.c:7", r"bnxt\\.c:(1549|1564)\\b", "fault at addr 0x8,",
    "fault at addr (0x128|0x130)", r"address: 0000000000000032\\b", "0xffffffff81000000",
    "page at 00007f0012345678",
]  # fmt: skip
OF_ANY_BUILD = [
    r"net/core/dev\\.c", r"skbuff\\.h:\\d+/__skb_pull", "fault at addr", "hwrm req_type 0x40 error",
    "seq id 0x[0-9a-f]+", "rc for vnic 0: ffffffea$", r"Read of address \\w+", "KASAN: .* in f",
]  # fmt: skip


@pytest.mark.parametrize("title", OF_ONE_BUILD)
def test_pattern_of_one_build_is_refused(title: str) -> None:
    with pytest.raises(ConfigProblem, match="has a line number or an address"):
        read_toml(SplatPattern, Path("x"), f'sanitizer = "BUG"\ntitle = "{title}"\n')
    with pytest.raises(ConfigProblem, match="failure: has a line number or an address"):
        head(change=(SHOWS, f'failure = "{title}"\n'))


@pytest.mark.parametrize("title", OF_ANY_BUILD)
def test_pattern_of_any_build_is_allowed(title: str) -> None:
    read_toml(SplatPattern, Path("x"), f'sanitizer = "BUG"\ntitle = "{title}"\n')


@pytest.mark.parametrize(
    ("function", "through", "fits"),
    [
        (None, (), True),
        ("f", (), True),
        ("old_f|f", (), True),
        ("g", (), False),
        ("old_f|g", (), False),
        (None, ("caller",), True),
        (None, ("old_caller|caller",), True),
        (None, ("caller", "other"), False),
    ],
)
def test_pattern_has_all_names_of_a_function(
    function: str | None, through: tuple[str, ...], fits: bool
) -> None:
    watcher = KernelLogWatcher()
    watcher.feed(
        b"WARNING: net/core/dev.c:1 at f+0x1/0x2\nCall Trace:\n f+0x1/0x2\n caller+0x1/0x2\n"
    )
    (report,) = reports(watcher.events)
    document = f'sanitizer = "WARNING"\ntitle = "dev"\nthrough = {list(through)}\n'
    document += "" if function is None else f'function = "{function}"\n'
    document = document.replace("through = []\n", "")
    pattern = read_toml(SplatPattern, Path("x"), document)
    assert pattern.matches(report) is fits
