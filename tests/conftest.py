# SPDX-License-Identifier: GPL-2.0-only
"""What holds for tests of every level."""

from __future__ import annotations

import os
import signal
from importlib import import_module
from importlib.util import find_spec

import pytest

from testbed.engines.open import engine_named

GIT_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
"""What git hands to a hook or to ``rebase --exec``; tests that make a repository would use ours."""

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
        "--slow-qemu",
        dest="slow_qemu",
        type=int,
        default=5,
        help="how many times slower QEMU's guest is made for the main job (%(default)s)",
    )
    parser.addoption(
        "--all-seeded",
        dest="all_seeded",
        action="store_true",
        help="build a kernel for every seeded bug of tests/seeded, not for a sample",
    )
    parser.addoption(
        "--sample",
        dest="sample",
        action="store_true",
        help="of the features' suites every third test, and all that UML lacks something for;"
        " -k asks for more",
    )
    parser.addoption(
        "--all-faults",
        dest="all_faults",
        action="store_true",
        help="on QEMU, too, try every fault of the catalogue, not what UML cannot do and a sample",
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
    config.addinivalue_line("markers", "card_options(**options): the test gets such a card")
    signal.signal(signal.SIGINT, signal.default_int_handler)
