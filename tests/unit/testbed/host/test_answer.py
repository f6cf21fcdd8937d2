# SPDX-License-Identifier: GPL-2.0-only
"""JSON of others: who wrote it is blamed for what is wrong with it."""

from __future__ import annotations

import pytest

from testbed.host.answer import Kinds, Objects, parse

KINDS: Kinds = {"count": float, "flag": bool, "rows": Objects, "text": (str, type(None))}


class Blamed(Exception):
    """What `blame` makes."""


def test_what_fits_is_as_it_was_written() -> None:
    text = '{"count": 1, "flag": true, "rows": [{"count": 1.5}], "text": null, "else": [3]}'
    assert parse(text, dict, Blamed, KINDS) == {
        "count": 1, "flag": True, "rows": [{"count": 1.5}], "text": None, "else": [3],
    }  # fmt: skip
    assert parse("[]", Objects, Blamed) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        (b"\xff", "no JSON"),
        ("{" * 100_000, "no JSON"),
        ('{"a": ' * 100_000, "no JSON"),
        ("[]", "which is no dict"),
        ('{"count": "3"}', "'count' is '3', which is no float"),
        ('{"count": true}', "'count' is True, which is no float"),
        ('{"count": NaN}', "'count' is nan, which is no float"),
        ('{"count": -1e999}', "'count' is -inf, which is no float"),
        (f'{{"count": 1{"0" * 400}}}', "'count' is 10+..., which is no float"),
        ('{"flag": 1}', "'flag' is 1, which is no bool"),
        ('{"rows": [1]}', "which is no Objects"),
        ('{"text": 1}', "'text' is 1, which is no str or NoneType"),
        ('{"deep": [{"count": []}]}', "'count' is \\[\\], which"),
    ],
)
def test_what_does_not_fit_is_blamed(text: str | bytes, said: str) -> None:
    with pytest.raises(Blamed, match=said):
        parse(text, dict, Blamed, KINDS)


def test_missing_key_is_blamed_when_it_is_asked_for() -> None:
    answer = parse('{"inner": {}}', dict, Blamed)
    assert answer.get("other") is None
    with pytest.raises(Blamed, match=r"no 'other' in \{'inner'"):
        answer["other"]
    with pytest.raises(Blamed, match=r"no 'x' in \{\}"):
        answer["inner"]["x"]


def test_long_nonsense_is_quoted_in_part() -> None:
    with pytest.raises(Blamed) as blamed:
        parse("x" * 100_000, dict, Blamed)
    assert len(str(blamed.value)) < 300
