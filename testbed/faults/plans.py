# SPDX-License-Identifier: GPL-2.0-only
"""Shorthand for the plans of the catalogue (docs/faults.md); they stay plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def fault(
    name: str,
    where: str,
    action: str,
    *,
    match: Mapping[str, Any] | None = None,
    nth: int = 1,
    every: int = 0,
    times: int = 1,
    **what: Any,
) -> dict[str, Any]:
    """One fault of a plan: ``name`` is its id, ``what`` are the further keys of the action."""
    when: dict[str, Any] = {}
    if match:
        when["match"] = dict(match)
    if nth != 1:
        when["nth"] = nth
    if every:
        when["every"] = every
    fault: dict[str, Any] = {"id": name, "where": where, "what": {"action": action, **what}}
    if when:
        fault["when"] = when
    if times != 1:
        fault["times"] = times
    return fault


def witness(
    name: str, where: str, number: str, *, match: Mapping[str, Any] | None = None, times: int = 0
) -> dict[str, Any]:
    """A fault that changes nothing: that it fires shows that the driver did this.

    ``number`` is a settable number of the point's events, to which 0 is added.
    """
    return fault(name, where, "set", match=match, times=times, fields={number: {"add": 0}})


def until_event(
    where: str,
    match: Mapping[str, Any] | None = None,
    *,
    same: Sequence[str] = (),
    nth: int = 1,
    before: bool = False,
) -> dict[str, Any]:
    """The event a deferred effect waits for: the ``nth`` that fits, right after or before it.

    ``same``: fields in which it equals the event the fault fired on.
    """
    trigger: dict[str, Any] = {"where": where}
    if match:
        trigger["match"] = dict(match)
    if same:
        trigger["same"] = list(same)
    if nth != 1:
        trigger["nth"] = nth
    if before:
        trigger["before"] = True
    return trigger
