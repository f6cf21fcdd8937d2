# SPDX-License-Identifier: GPL-2.0-only
"""What holds for tests of every level."""

from __future__ import annotations

import os
import signal
from collections.abc import Set
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from testbed.dut.protocols import Capability
from testbed.engines.open import engine_named
from testbed.plugin.part import parse_part
from testbed.plugin.sample import also_without_iommu, may_have, sampled

GIT_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
"""What git hands to a hook or to ``rebase --exec``; tests that make a repository would use ours."""

SAMPLED = (
    "devmem", "faults/test_workloads.py", "page_pool", "rings", "send_zc", "traffic", "zcrx",
)  # fmt: skip
"""Where the suite has many tests of a kind; of the others QEMU runs each."""
OPTIONS = ("engine", "flavour", "kernel", "iommu")

if find_spec("hypothesis"):  # the suite draws no examples, and runs where it is not installed
    import_module("tests.hypothesis_profiles")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What CI has no time for."""
    parser.addoption(
        "--lab-kills",
        dest="lab_kills",
        type=int,
        default=2,
        help="how often the runner of tests on the stand-in lab is killed (%(default)s)",
    )
    parser.addoption(
        "--nightly",
        dest="nightly",
        action="store_true",
        help="also the tests that CI leaves to the night (mark nightly); -k asks for one of them",
    )
    parser.addoption(
        "--slow-qemu",
        dest="slow_qemu",
        type=int,
        default=20,
        help="how many times slower QEMU's guest is made for the main job (%(default)s)",
    )
    parser.addoption(
        "--all-seeded",
        dest="all_seeded",
        action="store_true",
        help="build a kernel for every seeded bug of tests/seeded, not for a sample",
    )
    parser.addoption(
        "--seeded-part",
        dest="seeded_part",
        type=parse_part,
        metavar="K/N",
        help="with the sample, every N-th of the other seeded bugs from the K-th; today/7: all"
        " of them in a week",
    )
    parser.addoption(
        "--seeded-engine",
        dest="seeded_engine",
        choices=("qemu", "uml"),
        help="seeded bugs of this engine only",
    )
    parser.addoption(
        "--sample",
        dest="sample",
        type=parse_part,
        metavar="K/N",
        help="of zcrx, devmem, page_pool, send_zc, rings, traffic and workloads every N-th test"
        " from the K-th, and all that need what this machine has and flavour uml has not; with an"
        " IOMMU, all that need one; -k asks for more",
    )
    parser.addoption(
        "--all-faults",
        dest="all_faults",
        action="store_true",
        help="on QEMU, too, try every fault of the catalogue, not what UML cannot do and a sample",
    )
    parser.addoption(
        "--faults-part",
        dest="faults_part",
        type=parse_part,
        metavar="K/N",
        help="of the catalogue every N-th fault from the K-th, and all that need what flavour uml"
        " has not; today/3: all of them in three days",
    )


def pytest_configure(config: pytest.Config) -> None:
    """A mark of the suite; and Ctrl-C works, also in a background job that was told to ignore it.

    Tests send SIGINT to the programs they start; a program inherits "ignore", and Python then
    raises no KeyboardInterrupt.
    """
    for name in GIT_REPOSITORY:
        os.environ.pop(name, None)
    engine = config.getoption("testbed_engine")
    if engine is not None and engine_named(engine).can_restart:
        config.option.all_faults = True  # a fresh guest costs nothing there
    config.addinivalue_line("markers", "nightly: CI has no time for it; see --nightly")
    config.addinivalue_line("markers", "card_options(**options): the test gets such a card")
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What repeats the choice of a day."""
    words = {"seeded bugs": "seeded_part", "faults": "faults_part"}
    parts = {what: (name, config.getoption(name)) for what, name in words.items()}
    return [
        f"{what}: --{name.replace('_', '-')} {part}"
        for what, (name, part) in parts.items()
        if part is not None
    ]


def _needs(item: pytest.Item) -> Set[Capability]:
    return {one for marker in item.iter_markers("needs") for one in marker.args}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """``--sample``: of the suite, which runs whole on UML, a part. ``--nightly``."""
    if config.getoption("keyword"):
        return
    if not config.getoption("nightly"):
        _drop(config, items, {item for item in items if item.get_closest_marker("nightly")})
    part = config.getoption("sample")
    if part is None:
        return
    suite = Path(__file__).parent / "suite"
    sampled_files = [suite / name for name in SAMPLED]
    counted = [
        item for item in items if not {item.path, item.path.parent}.isdisjoint(sampled_files)
    ]
    given = {name: config.getoption(f"testbed_{name}") for name in OPTIONS}
    needs = [_needs(item) for item in counted]
    chosen = sampled(needs, part, may_have(**given), also_without_iommu(**given))
    _drop(config, items, {item for number, item in enumerate(counted) if number not in chosen})


def _drop(config: pytest.Config, items: list[pytest.Item], dropped: Set[pytest.Item]) -> None:
    if dropped:
        config.hook.pytest_deselected(items=list(dropped))
        items[:] = [item for item in items if item not in dropped]
