# SPDX-License-Identifier: GPL-2.0-only
"""Requests to a card that another process of the same user serves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devmodel.news import account
from testbed.card.control import ControlClient, ControlClosed, ControlError
from testbed.card.served import control_of
from testbed.errors import EnvironmentProblem, TestbedError, UsageProblem

TIMEOUT_S = 10.0


def ask(vfio_user: Path, method: str, params: Mapping[str, object] | None = None) -> dict[str, Any]:
    """The answer of the card that is served at ``vfio_user``.

    Raises UsageProblem if it refuses, EnvironmentProblem if no card is there or it does not answer.
    """
    answer = asyncio.run(_ask(vfio_user, method, params))
    if not isinstance(answer, dict):
        raise _nonsense(f"{method} gives {answer!r:.100}")
    return answer


async def _ask(vfio_user: Path, method: str, params: Mapping[str, object] | None) -> Any:
    client = ControlClient(_nonsense)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(control_of(vfio_user)))
    except OSError as err:
        connection.close()
        raise EnvironmentProblem(
            f"no card is served at {vfio_user}: {err.strerror or err}",
            remedy="start one with testbed card, or name its --socket",
        ) from err
    try:
        await client.connect(connection)
        return await client.request(method, params, timeout_s=TIMEOUT_S)
    except ControlError as err:
        raise UsageProblem(f"the card refuses {method}: {err}") from err
    except (ControlClosed, TimeoutError) as err:
        raise EnvironmentProblem(f"the card at {vfio_user} does not answer: {err}") from err
    finally:
        await client.close()


def _nonsense(wrong: str) -> TestbedError:
    return EnvironmentProblem(f"what is served there is no card: {wrong}")


def armed_plans(status: Mapping[str, Any]) -> list[int]:
    """Numbers of the plans that are armed, of the answer to ``faults_status``."""
    return list(dict.fromkeys(one["handle"] for one in _faults(status) if one["armed"]))


def fault_lines(status: Mapping[str, Any]) -> list[str]:
    """A line for each fault, armed or not any more, of such an answer."""
    return [
        f"plan {one['handle']} {'armed  ' if one['armed'] else 'cleared'} {one['id']}: "
        f"fired {one['fired']} times of {one['considered']} events"
        for one in _faults(status)
    ] or ["no fault was ever armed"]


def _faults(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Raises EnvironmentProblem for what a card does not say."""
    needed = ("handle", "armed", "id", "fired", "considered")
    faults = status.get("faults")
    if not isinstance(faults, list) or not all(
        isinstance(one, dict) and all(key in one for key in needed) for one in faults
    ):
        raise _nonsense("its account of faults")
    return faults


def status_lines(state: Mapping[str, Any]) -> list[str]:
    """The answer to ``state`` for people. Raises EnvironmentProblem."""
    try:
        there = "connected" if state["guest_is_there"] else "not connected"
        card = state["card"]
        driver = "registered" if card["driver_registered"] else "not registered"
        link = "up" if card["link_up"] else "down"
        return [
            f"guest's side {there}; driver {driver}; link {link}; seed {state['seed']}",
            *account(dict(state)),
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as wrong:
        raise _nonsense(repr(wrong)) from wrong
