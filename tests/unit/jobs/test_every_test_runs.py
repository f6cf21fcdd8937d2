# SPDX-License-Identifier: GPL-2.0-only
"""No test of the suite is left out of ./tb test: some job collects it and has what it needs."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import pytest

from testbed import ROOT
from testbed.dut.protocols import DEBUGGED, Capability
from testbed.faults.catalogue import load_catalogue
from testbed.plugin.sample import SPECIAL, UNMERGED, may_have
from testbed.workloads.table import WORKLOADS

BEGINS = "{[results]pytest}"
NODES_OF_SEEDED = "tests/driver/test_seeded.py::"


def _words() -> Iterator[tuple[str, list[str]]]:
    """Job and arguments of each pytest that `guests` starts."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    assert " -e {[results]guests} " in tox["testenv:guests"]["commands"]
    for job in tox["results"]["guests"].split(","):
        for line in tox[f"testenv:{job}"]["commands"].strip().splitlines():
            if line.startswith(BEGINS):
                text = re.sub(r"\{env:\w+:(.*?)\}", r"\1", line.removeprefix(BEGINS))
                text = text.replace("{posargs}", "")
                yield job, shlex.split(text.replace("{tox_root}", str(ROOT)))


@cache
def _collected(*arguments: str) -> list[tuple[str, frozenset[Capability]]]:
    words = [sys.executable, "-P", "-m", "pytest", "-p", "tests.jobs.collected", "-q"]
    done = subprocess.run(
        [*words, "--collect-only", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stdout + done.stderr
    return [(one["node"], frozenset(Capability[need] for need in one["needs"])) for one in lines]


def _every_day(arguments: Sequence[str]) -> Iterator[Sequence[str]]:
    """``arguments`` as they are on each day, where they are of a part that is another each day."""
    text = " ".join(arguments)
    daily = re.search(r"today/(\d+)", text)
    if daily is None or "--faults-part" not in arguments:
        yield arguments
        return
    for number in range(int(daily[1])):
        yield [one.replace(daily[0], f"{number}/{daily[1]}") for one in arguments]


def _option(arguments: Sequence[str], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


def _offered(arguments: Sequence[str]) -> frozenset[Capability]:
    names = ("engine", "flavour", "kernel", "iommu")
    given: Mapping[str, str | None] = {
        name: _option(arguments, f"--testbed-{name}") for name in names
    }
    return frozenset(may_have(**given)) | (UNMERGED if "--kernel-patch" in arguments else set())


@pytest.fixture(scope="module")
def run_by() -> Mapping[str, set[str]]:
    """Test -> jobs that collect it, and whose machine can have what it needs."""
    found: dict[str, set[str]] = {}
    for job, arguments in _words():
        if any(word.startswith("tests/suite") for word in arguments):
            offered = _offered(arguments)
            for daily in _every_day(arguments):
                for node, needs in _collected(*daily):
                    if SPECIAL & needs <= offered:
                        found.setdefault(node, set()).add(job)
    return found


def test_every_test_of_the_suite_is_run_by_some_job(run_by: Mapping[str, set[str]]) -> None:
    everything = {node for node, _needs in _collected("tests/suite", "--all-faults")}
    assert sorted(everything - run_by.keys()) == []


def test_what_one_machine_alone_has_is_run_there(run_by: Mapping[str, set[str]]) -> None:
    for node, needs in _collected("tests/suite", "--all-faults"):
        if Capability.FAILING_ALLOCATIONS in needs:
            assert run_by[node] == {"sanitizers"}
        if Capability.IOMMU in needs:
            assert run_by[node] == {"iommu"}
        if Capability.REGISTERED_PROVIDED_BUFFERS in needs:
            assert run_by[node] == {"send-zc"}


def test_every_fault_is_left_out_once_on_a_kernel_that_can_have_it(
    run_by: Mapping[str, set[str]],
) -> None:
    for name, one in load_catalogue().items():
        debugged = DEBUGGED & (one.needs | WORKLOADS[one.workload].needs)
        if "uml" in one.engines:
            node = f"tests/suite/faults/test_null_fault.py::test_null_fault[{name}]"
            assert ("sanitizers" if debugged else "null") in run_by[node]


def test_every_day_has_seeded_bugs_of_both_engines() -> None:
    for engine in ("qemu", "uml"):
        chosen = ["tests/driver/test_seeded.py", "--seeded-engine", engine, "--seeded-part", "3/7"]
        nodes = [node for node, _needs in _collected(*chosen)]
        assert sum(node.startswith(f"{NODES_OF_SEEDED}test_bug_is_caught") for node in nodes) >= 2
        assert f"{NODES_OF_SEEDED}test_same_workloads_without_a_bug[{engine}]" in nodes


def test_every_fault_is_tried_with_sanitizers_within_four_days() -> None:
    words = ["tests/suite/faults/test_catalogue.py", "--testbed-engine=uml"]
    words += ["--testbed-flavour=uml-san", "--faults-part"]
    days = [{node for node, _needs in _collected(*words, f"{day}/4")} for day in range(4)]
    runs = [
        (name, SPECIAL & (one.needs | WORKLOADS[one.workload].needs))
        for name, one in load_catalogue().items()
    ]
    node = "tests/suite/faults/test_catalogue.py::test_fault[{}]".format
    assert set.union(*days) == {node(name) for name, needs in runs if needs <= DEBUGGED}
    every_day = {node(name) for name, needs in runs if needs & DEBUGGED}
    assert every_day
    assert set.intersection(*days) == every_day
