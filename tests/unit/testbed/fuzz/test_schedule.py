# SPDX-License-Identifier: GPL-2.0-only
"""Schedules: canonical, named by content; a wrong file is told by file, key and allowed values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import ConfigProblem, UsageProblem
from testbed.fuzz.schedule import (
    MOST_BYTES,
    Companion,
    Packet,
    Schedule,
    check,
    read_schedule,
    schedule_of,
)
from testbed.schema import WrongValue

KILL = {"kind": "signal", "what": "KILL"}
DROP = {"id": "1", "where": "rx.frame", "what": {"action": "drop"}}
WHOLE = Schedule(
    workload="stream", seed=7, kernel="7.2.12", card={"limits": {"vnics": 4}}, faults=(DROP,),
    companions=(Companion(kind="failslab", what="kmalloc-64"),),
    packets=(Packet(after=3, data="ff" * 14),),
)  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for one in (WHOLE, Schedule(workload="ping", seed=0)):
        file.write_text(one.text)
        assert read_schedule(file) == one
        check(one)


def test_the_text_is_canonical_and_names_it() -> None:
    shuffled = json.loads(WHOLE.text)
    assert list(shuffled) == sorted(shuffled)
    assert " " not in WHOLE.text.replace("kmalloc-64", "")
    turned = {key: shuffled[key] for key in reversed(shuffled)}
    assert schedule_of(turned, "a.json").name == WHOLE.name
    assert replace(WHOLE, seed=8).name != WHOLE.name
    assert Schedule(workload="ping", seed=1).name == "bd0ded725bdf21d9"  # for ever


def test_what_is_said_of_kmemleak_is_kept_and_its_default_is_not(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for said in ("off", "scan"):
        one = replace(WHOLE, kmemleak=said)
        file.write_text(one.text)
        assert read_schedule(file).kmemleak == said
        assert one.name != WHOLE.name
    assert schedule_of({**WHOLE.document(), "kmemleak": "on"}, "a.json").name == WHOLE.name
    with pytest.raises(ConfigProblem, match=r"kmemleak: 'maybe' is not allowed"):
        schedule_of({**WHOLE.document(), "kmemleak": "maybe"}, "a.json")


def test_defaults_of_a_plan_change_no_name() -> None:
    spelt = {**DROP, "times": 1, "when": {"nth": 1, "every": 0}}
    document = {**WHOLE.document(), "fault": [spelt]}
    assert schedule_of(document, "a.json").name == WHOLE.name


@pytest.mark.parametrize(
    ("change", "key", "allowed"),
    [
        ({"workload": "pong"}, "workload", "ping"),
        ({"workload": "x" * 100_000}, "workload", "ping"),
        ({"seed": -1}, "seed", "0..9223372036854775807"),
        ({"seed": 1 << 64}, "seed", ""),
        ({"seed": "1"}, "seed", "an integer"),
        ({"engine": "lab"}, "engine", "uml, qemu"),
        ({"flavour": "none"}, "flavour", "uml-san"),
        ({"kernel": ""}, "kernel", "not empty"),
        ({"timing": "sync"}, "timing", "asynchronous, synchronous"),
        ({"version": 2}, "version", "1"),
        ({"faults": []}, "faults", "card, companion, engine, fault"),
        ({"card": {"limits": {"unicorns": 1}}}, "card.limits.unicorns", "vnics"),
        ({"card": {"max_aggs": "many"}}, "card.max_aggs", "0..65535"),
        ({"card": {"max_aggs": None}}, "card.max_aggs", "no such key"),
        ({"companion": [{"kind": "friend"}]}, "[[companion]] 1.kind", "failslab"),
        ({"companion": [{"kind": "signal", "what": "HUP"}]}, "[[companion]] 1.what", "KILL"),
        ({"companion": [{"kind": "failslab", "what": "a b"}]}, "[[companion]] 1.what", "slab"),
        (
            {"companion": [{"kind": "failslab", "within": "f()"}]},
            "[[companion]] 1.within",
            "function",
        ),
        ({"companion": [{**KILL, "within": "f"}]}, "[[companion]] 1.within", "failslab"),
        ({"companion": [{"kind": "fail_nth"}]}, "[[companion]] 1.within", "a function's name"),
        ({"companion": [{"kind": "failslab", "behind": 1}]}, "[[companion]] 1.behind", "0"),
        ({"companion": [{"kind": "failslab", "every": 0}]}, "[[companion]] 1.every", "1 to"),
        ({"companion": [{"kind": "failslab", "every": -1}]}, "[[companion]] 1.every", "0.."),
        ({"companion": [{"kind": "failslab"}] * 17}, "companion", "at most 16"),
        ({"packet": [{"after": 0, "data": "zz" * 14}]}, "[[packet]] 1.data", "hex digits"),
        ({"packet": [{"after": 0, "data": "ff" * 13}]}, "[[packet]] 1.data", "14 to"),
        ({"packet": [{"after": 0, "data": "f" * 29}]}, "[[packet]] 1.data", "hex digits"),
        ({"packet": [{"after": 0}]}, "[[packet]] 1.data", "a string"),
        ({"fault": [{**DROP, "where": "tea.time"}]}, "fault[0].where", "rx.frame"),
        ({"fault": [{**DROP, "where": "tea" * 9999}]}, "fault[0].where", ""),
        ({"fault": [{**DROP, "what": {"action": "drop", "x": 1}}]}, "fault[0].what.x", "action"),
        ({"fault": [DROP, DROP]}, "fault", "different ids"),
        ({"fault": [DROP] * 257}, "fault", "1 to 256 tables"),
        ({"fault": "none"}, "fault", "a list"),
    ],
)
def test_what_is_wrong_is_told(change: dict[str, Any], key: str, allowed: str) -> None:
    with pytest.raises(UsageProblem) as told:
        schedule_of({**WHOLE.document(), **change}, "some/a.json")
    assert str(told.value).startswith(f"some/a.json: {key}")
    assert allowed in str(told.value) + (told.value.remedy or "")
    assert len(str(told.value)) < 1500


def nested(levels: int) -> Any:
    """A list in a list in a list."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [17, 500, 100_000])
def test_what_is_too_deep_is_told(levels: int) -> None:
    with pytest.raises(ConfigProblem, match=r"a\.json: .*(deep|recursion)"):
        schedule_of({**WHOLE.document(), "card": {"mac": nested(levels)}}, "a.json")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"null", "null is not allowed"),
        (b"[]", "is not allowed"),
        (b"NaN", "NaN is no number"),
        (b'{"version": 1, "version": 1}', "'version' is there twice"),
        (b'{"workload": "\\ud800"}', "not JSON"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"seed": 1e999}', "seed: is not finite"),
        (b'{"' + b"k" * 101 + b'": 1}', "a key of more than 100"),
        (b" " * (MOST_BYTES + 1), "has more than"),
    ],
)
def test_file_that_is_none(tmp_path: Path, data: bytes, told: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(data)
    with pytest.raises(ConfigProblem) as problem:
        read_schedule(file)
    assert str(problem.value).startswith(f"{file}: ")
    assert told in str(problem.value)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ConfigProblem, match="cannot be read"):
            read_schedule(path)


def test_companion_that_nobody_knows() -> None:
    with pytest.raises(WrongValue, match="page_pool"):
        Companion(kind="fail_function", what="page_pool_destroy")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda some: (
        st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=9), some, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(WHOLE.document())), json_values, min_size=1))
def test_any_document_is_a_schedule_or_told(change: dict[str, Any]) -> None:
    document = {**WHOLE.document(), **change}
    try:
        read = schedule_of(document, "a.json")
    except UsageProblem:
        with pytest.raises(UsageProblem, match=r"^a\.json: "):
            schedule_of(document, "a.json")
    else:
        assert schedule_of(read.document(), "a.json") == read


def test_a_caller_is_in_the_file_only_where_there_is_one() -> None:
    """Schedules of before have the names they had."""
    plain = Schedule(workload="ping", seed=1, companions=(Companion(kind="failslab"),))
    assert "within" not in plain.text
    below = Companion(kind="failslab", within="bnxt_open")
    confined = replace(plain, companions=(below,))
    assert schedule_of(confined.document(), "here").companions == (below,)
    assert confined.name != plain.name
