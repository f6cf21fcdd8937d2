# SPDX-License-Identifier: GPL-2.0-only
"""UML's command line: the same in every run of a seed, and with nothing of the host in it."""

from __future__ import annotations

from dataclasses import replace

from testbed.engines.uml.argv import START_NS, UmlSpec, build_argv, build_env


def test_deterministic_guest_depends_on_its_seed_only() -> None:
    spec = UmlSpec(memory_mib=512, simulated_time=True, seed=7)
    argv = build_argv("/x/linux", spec)
    assert f"time-travel-start={START_NS + 7}" in argv
    assert "time-travel=inf-cpu" in argv
    assert build_env(spec)["UML_ENTROPY_SEED"] == "7"
    assert not any(word.startswith("ncpus") for word in argv)


def test_every_path_is_relative() -> None:
    argv = build_argv("/x/linux", UmlSpec(memory_mib=512, simulated_time=True))
    assert not [word for word in argv[1:] if "/" in word.replace("=./", "=").replace(":./", "")]


def test_guest_in_real_time_has_its_cpus_and_the_hosts_entropy() -> None:
    spec = UmlSpec(memory_mib=512, simulated_time=False, cpus=2)
    argv = build_argv("linux", spec)
    assert "ncpus=2" in argv
    assert not any(word.startswith("time-travel") for word in argv)
    assert "UML_ENTROPY_SEED" not in build_env(spec)


def test_nothing_gives_the_guest_a_file_system_of_the_host() -> None:
    argv = build_argv("linux", UmlSpec(memory_mib=512, simulated_time=True))
    assert not [word for word in argv if "hostfs" in word or "rootfstype" in word]


def test_further_disks_come_behind_the_first() -> None:
    """The guest names them in this order; without any its command line is what it was."""
    plain = build_argv("linux", UmlSpec(memory_mib=512, simulated_time=True))
    given = build_argv("linux", UmlSpec(memory_mib=512, simulated_time=True, layers=2))
    assert given[: len(plain)] == plain
    assert given[len(plain) :] == [
        "virtio_uml.device=./layer0:2", "virtio_uml.device=./layer1:2",
    ]  # fmt: skip
    assert "virtio_uml.device=./disk:2" in plain


def test_words_of_the_user_come_last_and_whole() -> None:
    plain = UmlSpec(memory_mib=512, simulated_time=True)
    words = 'panic=5  dyndbg="file rx.c +p" quiet'
    assert build_argv("linux", replace(plain, append=words)) == [
        *build_argv("linux", plain), "panic=5", 'dyndbg="file rx.c +p"', "quiet",
    ]  # fmt: skip


def test_counting_changes_the_environment_only() -> None:
    """The kernel mixes its command line into its random numbers."""
    plain = UmlSpec(memory_mib=512, simulated_time=True)
    counting = UmlSpec(memory_mib=512, simulated_time=True, coverage=True)
    assert build_argv("linux", plain) == build_argv("linux", counting)
    assert "UML_COVERAGE" not in build_env(plain)
    assert "/" not in build_env(counting)["UML_COVERAGE"]


def test_the_card_is_connected_once_for_each_function() -> None:
    """The first connection is the physical one, and PCI slots go by their order."""
    plain = build_argv("linux", UmlSpec(memory_mib=512, simulated_time=True))
    given = build_argv("linux", UmlSpec(memory_mib=512, simulated_time=True, virtual_functions=2))
    card = "virtio_uml.device=./card:1234"
    assert [word for word in given if word == card] == [card] * 3
    assert [word for word in given if word != card] == [word for word in plain if word != card]
