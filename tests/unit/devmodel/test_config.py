# SPDX-License-Identifier: GPL-2.0-only
"""Configuration of the card process: every refusal names the key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devmodel.clock import Timing
from devmodel.config import Config, ConfigError


def test_smallest() -> None:
    config = Config.parse('{"vfio_user_fd": 0}')
    assert (config.vfio_user_fd, config.wire_fd, config.confine) == (0, None, True)
    assert config.timing is Timing.ASYNCHRONOUS


def test_everything() -> None:
    fds = {"vfio_user_fd": 0, "wire_fd": 1, "control_fd": 2, "trace_fd": None, "pcap_fd": None}
    limits = {"seed": 99, "timing": "synchronous", "confine": False, "cpu_seconds": 10}
    given = {**fds, **limits, "source": None, "options": {"mac": "x"}}
    config = Config.parse(json.dumps(given))
    assert config.timing is Timing.SYNCHRONOUS
    assert (config.seed, config.options, config.cpu_seconds) == (99, {"mac": "x"}, 10)


def test_further_disks() -> None:
    given = {"vhost_user_fd": 0, "vhost_layer_fds": [1, 2], "layer_fds": [2, 1]}
    config = Config.parse(json.dumps(given))
    assert (config.vhost_layer_fds, config.layer_fds) == ([1, 2], [2, 1])
    assert not Config.parse('{"vhost_user_fd": 0}').layer_fds


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({}, "one of vfio_user_fd and vhost_user_fd"),
        ({"vfio_user_fd": None}, "one of vfio_user_fd and vhost_user_fd"),
        ({"vfio_user_fd": 0, "speed": 1}, "unknown key 'speed'; known: .*vfio_user_fd"),
        ({"vfio_user_fd": 12345}, "vfio_user_fd: descriptor 12345"),
        ({"vfio_user_fd": -1}, "vfio_user_fd"),
        ({"vfio_user_fd": 1 << 70}, "vfio_user_fd"),
        ({"vfio_user_fd": True}, "expected int"),
        ({"vfio_user_fd": 0, "seed": "1"}, "seed is '1'; expected int"),
        ({"vfio_user_fd": 0, "timing": "fast"}, "asynchronous, synchronous"),
        ({"vfio_user_fd": 0, "confine": 1}, "confine is 1; expected bool"),
        ({"vfio_user_fd": 0, "options": []}, r"options is \[\]; expected dict"),
        ({"vfio_user_fd": 0, "cpu_seconds": 0}, "cpu_seconds must be positive"),
        ({"vfio_user_fd": 0, "layer_fds": 1}, "layer_fds is 1; expected list"),
        ({"vfio_user_fd": 0, "layer_fds": [12345]}, "layer_fds: descriptor 12345"),
        ({"vfio_user_fd": 0, "layer_fds": ["1"]}, "layer_fds: '1' is no descriptor"),
        (
            {"vfio_user_fd": 0, "layer_fds": [0]},
            "vhost_layer_fds and layer_fds must be of the same",
        ),
        ({"vfio_user_fd": 0, "wire_fd": 1, "vhost_peer_fd": 2}, "at most may be given"),
        ({"vfio_user_fd": 0, "snap_bytes": 0}, "snap_bytes must be positive"),
    ],
)
def test_refused(given: Any, message: str) -> None:
    text = given if isinstance(given, str) else json.dumps(given)
    with pytest.raises(ConfigError, match=message):
        Config.parse(text)
