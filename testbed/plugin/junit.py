# SPDX-License-Identifier: GPL-2.0-only
"""What ``pytest --junitxml`` writes, as our own junit.xml has it (testbed/report/junit.py).

pytest knows neither findings nor lost machines, and leaves out where a test is written: the file
is completed when it is there.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from junitparser import Error, Failure, Skipped, TestSuite
from junitparser.xunit2 import JUnitXml

from testbed.plugin.watch import FINDING, GONE, LOST
from testbed.report.junit import PlacedCase

NAME = "testbed-junit"


@dataclass
class Known:
    """What of one test the file lacks: its place, properties, and of a failure the fault."""

    file: str
    line: int
    properties: dict[tuple[str, str], None] = field(default_factory=dict)
    fault: str = ""

    @property
    def findings(self) -> list[str]:
        """The bugs on record that it has shown."""
        return [value for name, value in self.properties if name.startswith(f"{FINDING}:")]


Address = tuple[str, str]
"""Class name and name, as pytest's file has them."""


def address(nodeid: str) -> Address:
    """Where the test is in the file."""
    whole, bracket, parameters = nodeid.partition("[")
    path, *names = whole.split("::")
    dotted = path.removesuffix(".py").replace("/", ".")
    return ".".join([dotted, *names[:-1]]), "".join([*names[-1:], bracket, parameters])


class Collector:
    """Remembers what reports of tests say; completes the file when pytest has written it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[Address, Known] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test."""
        file, line, _ = report.location
        known = self.known.setdefault(
            address(report.nodeid), Known(file, 1 if line is None else line + 1)
        )
        for name, value in report.user_properties:
            if name.startswith((f"{FINDING}:", f"{GONE}:")):
                known.properties[name, str(value)] = None
            elif name == LOST:
                known.fault = str(value)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Before this has returned, pytest writes its file."""
        yield
        if self.file.is_file():
            complete(self.file, self.known)


def pytest_configure(config: pytest.Config) -> None:
    """Take part if there is to be a file."""
    path = config.getoption("xmlpath", None)
    if path:
        config.pluginmanager.register(Collector(Path(path).absolute()), NAME)


def complete(file: Path, known: Mapping[Address, Known]) -> None:
    """Findings become skipped, lost machines errors."""
    document = JUnitXml.fromfile(str(file))
    for suite in document:
        for case in suite.iterchildren(PlacedCase):  # type: ignore[no-untyped-call]
            found = known.get((case.classname, case.name))
            if found is not None:
                _complete_case(suite, case, found)
    document.write(str(file))


def _complete_case(suite: TestSuite, case: PlacedCase, known: Known) -> None:
    case.file, case.line = known.file, known.line
    for name, value in known.properties:
        case.add_property(name, value)
    if known.findings and not case.result:
        case.result = [Skipped(", ".join(dict.fromkeys(known.findings)), FINDING)]
        suite.skipped += 1
    failures = [one for one in case.result if isinstance(one, Failure)]
    if known.fault and failures:
        error = Error(failures[0].message, known.fault)
        error.text = failures[0].text
        case.result = [error, *(one for one in case.result if not isinstance(one, Failure))]
        suite.failures -= len(failures)
        suite.errors += 1
