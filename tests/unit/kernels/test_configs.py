# SPDX-License-Identifier: GPL-2.0-only
"""Options requested, options granted, and what is reported about the difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernels.configs import (
    ConfigProblem,
    check,
    find_definitions,
    read_config,
    read_fragment,
    render,
    select,
)
from kernels.fragments import Group
from kernels.version import KernelVersion

KCONFIG = """
config NET
	bool "Networking support"

menuconfig IO_URING_ZCRX
	def_bool y
	depends on NET
	depends on INET

if SOUND
config SND
	bool "ALSA"
endif

config AFTER
	bool "x"
"""


def tree(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/Kconfig").write_text(KCONFIG)
    return tmp_path


def test_render_and_read_are_inverse() -> None:
    options = {"A": "y", "B": "m", "C": "n", "D": "-5", "E": "0x1f", "F": 'a "b" \\c'}
    text = render(options)
    assert "# CONFIG_C is not set\n" in text
    assert 'CONFIG_F="a \\"b\\" \\\\c"\n' in text
    assert read_config(text) == options


def test_line_that_is_no_option_is_named() -> None:
    with pytest.raises(ConfigProblem, match="line 2 is no configuration: 'NET=y'"):
        read_config("CONFIG_A=y\nNET=y\n")


def test_fragment_problem_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("hello\n")
    with pytest.raises(ConfigProblem, match=r"mine: line 1 is no configuration"):
        read_fragment(tmp_path / "mine")
    with pytest.raises(ConfigProblem, match="cannot be read"):
        read_fragment(tmp_path / "none")


def test_group_too_new_for_the_source_is_left_out() -> None:
    zcrx = Group("zcrx", "", {"IO_URING_ZCRX": "y"}, KernelVersion(6, 15))
    groups = [Group("ip", "", {"NET": "y"}), zcrx]
    assert select(groups, KernelVersion(6, 12, 107)).left_out == ["zcrx"]
    for version in (KernelVersion(6, 15, rc=1), KernelVersion(6, 15)):
        assert select(groups, version).options == {"NET": "y", "IO_URING_ZCRX": "y"}


def test_later_group_overrides_and_owns() -> None:
    first, second = Group("ours", "", {"NET": "y"}), Group("theirs", "", {"NET": "n"})
    selection = select([first, second], KernelVersion(7, 2))
    assert selection.options == {"NET": "n"}
    assert selection.owner("NET") is second


def test_granted_configuration_passes(tmp_path: Path) -> None:
    selection = select(
        [Group("g", "", {"NET": "y", "HZ": "0x64", "USB": "n"})], KernelVersion(7, 0)
    )
    check(selection, "CONFIG_NET=y\nCONFIG_HZ=100\n", tree(tmp_path), "um")


def test_vanished_option_is_named_with_its_reason(tmp_path: Path) -> None:
    selection = select([Group("receive", "for zcrx", {"PAGE_POOL_OLD": "y"})], KernelVersion(7, 0))
    with pytest.raises(ConfigProblem) as problem:
        check(selection, "CONFIG_NET=y\n", tree(tmp_path), "um")
    assert str(problem.value) == (
        "CONFIG_PAGE_POOL_OLD=y (group 'receive': for zcrx): this kernel has no such option"
    )


def test_unmet_dependency_is_named(tmp_path: Path) -> None:
    selection = select([Group("receive", "why", {"IO_URING_ZCRX": "y"})], KernelVersion(7, 0))
    with pytest.raises(ConfigProblem, match="the kernel made it n; it depends on NET; INET"):
        check(selection, "# CONFIG_IO_URING_ZCRX is not set\n", tree(tmp_path), "um")


def test_other_architectures_say_nothing_about_ours(tmp_path: Path) -> None:
    for place in ("arch/arm", "arch/x86", "arch/x86/um"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "Kconfig").write_text(f"config SMP\n\tdepends on {place[5:]}\n")
    names = {"SMP": "y"}
    assert find_definitions(tmp_path, names, "um") == {"SMP": ["x86/um"]}
    assert find_definitions(tmp_path, names, "x86_64") == {"SMP": ["x86"]}


def test_block_around_an_option_counts(tmp_path: Path) -> None:
    selection = select([Group("g", "why", {"SND": "y", "AFTER": "y"})], KernelVersion(7, 0))
    with pytest.raises(ConfigProblem) as problem:
        check(selection, "", tree(tmp_path), "um")
    after, sound = str(problem.value).splitlines()
    assert sound.endswith("made it n; it depends on SOUND")
    assert after.endswith("it depends on nothing by itself, perhaps by its menu")


def test_option_that_stays_on_is_refused_too(tmp_path: Path) -> None:
    selection = select([Group("uml", "no host files", {"NET": "n"})], KernelVersion(7, 0))
    with pytest.raises(ConfigProblem, match=r"CONFIG_NET=n .* made it y; it depends on nothing by"):
        check(selection, "CONFIG_NET=y\n", tree(tmp_path), "um")
