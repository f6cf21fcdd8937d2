# SPDX-License-Identifier: GPL-2.0-only
"""What programs print at an end: anything, and what does not fit fails the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.dut.programs import ask_console, lines_of, only_object, result_of
from testbed.dut.protocols import Completed
from testbed.dut.streams import flows_of
from testbed.errors import GuestCommandFailed
from tests.unit.testbed.dut.test_streams import End, completed

NONSENSE = [
    *("", "no JSON", "[1]", "3", "null", '"text"', "[" * 100_000, "{", "\ufffd"),
    *('{"flows": 3}', '{"flows": [3]}', '{"flows": {}}', '{"seconds": "long"}', '{"id": true}'),
    *('{"flows": [{"bytes": "many"}]}', '{"flows": [{"sha256": 5}]}', '{"port": []}'),
]


@pytest.mark.parametrize("output", NONSENSE)
def test_result_that_makes_no_sense_fails_the_test(output: str) -> None:
    with pytest.raises(GuestCommandFailed, match="zcrx_rx printed no result"):
        result_of(completed(["zcrx_rx"], out=output))


USES: list[tuple[str, Callable[[Any], object]]] = [
    ("{}", lambda result: result["flows"]),
    ("{}", flows_of),
    ('{"flows": [{"port": 1, "bytes": 2}]}', flows_of),
]


@pytest.mark.parametrize(("output", "use"), USES)
def test_what_a_result_lacks_fails_the_test(output: str, use: Callable[[Any], object]) -> None:
    result = result_of(completed(["zcrx_rx"], out=output))
    with pytest.raises(GuestCommandFailed, match="zcrx_rx printed no result: no '"):
        use(result)
    assert result.get("flows", None) == ([{"port": 1, "bytes": 2}] if "flows" in output else None)


def test_last_line_is_the_result() -> None:
    output = 'progress\n{"flows": [], "seconds": 1}'
    assert result_of(completed(["zcrx_rx"], out=output)) == {"flows": [], "seconds": 1}


@pytest.mark.parametrize("output", ["[]", "{}", "[1]", '[{"a": 1}, {"b": 2}]', "no JSON"])
def test_one_object_is_expected_of_ethtool(output: str) -> None:
    with pytest.raises(GuestCommandFailed, match="ethtool printed"):
        only_object(completed(["ethtool"], out=output))
    assert only_object(completed(["ethtool"], out='[{"mtu": 3}]')) == {"mtu": 3}


def test_each_line_is_an_object() -> None:
    assert lines_of("console", '{"a": 1}\n{"b": 2}') == [{"a": 1}, {"b": 2}]
    with pytest.raises(GuestCommandFailed, match="console printed"):
        lines_of("console", '{"a": 1}\n[2]')


def test_console_that_answers_nonsense_fails_the_test() -> None:
    class Console:
        def kill(self) -> Completed:
            return completed(["console"])

    end = End({"console": completed(["console"], out="[1]")})
    running: Any = Console()
    with pytest.raises(GuestCommandFailed, match="console printed"):
        ask_console(end, "console", "/place", running, ["step"])
