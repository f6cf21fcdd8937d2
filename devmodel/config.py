# SPDX-License-Identifier: GPL-2.0-only
"""Configuration of the card process: a JSON object the runner writes to a descriptor."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from devmodel.clock import Timing


class ConfigError(Exception):
    """The configuration is unusable; the message names the key and what it may be."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the runner hands over; descriptors are inherited.

    :ivar vfio_user_fd: Unix stream socket, listening or connected; QEMU's way to the card.
    :ivar vhost_user_fd: the same; User Mode Linux's way. One of the two must be given.
    :ivar vhost_peer_fd: vhost-user socket of the virtio-net at the other end of the wire. With
        vfio_user_fd it is QEMU's, and there is no wire_fd.
    :ivar vhost_disk_fd: the same of a read-only disk, whose content is the file ``image_fd``.
    :ivar vhost_layer_fds: the same of further disks, whose content is the files ``layer_fds``.
    :ivar vhost_agent_fd: the same of the agent's port; ``agent_fd`` is the runner's end of it.
    :ivar agent_turns: the guest stands still while it is the runner's turn on the agent's port.
    :ivar wire_fd: the same, for QEMU's ``-netdev stream``.
    :ivar tap_fd: a tap of the host instead (devmodel.net.tap); not with wire_fd.
    :ivar control_fd: as vfio_user_fd; a client on a *connected* one ends the card when it goes.
    :ivar news_fd: pipe for a line of text for each thing that happens (devmodel.news).
    :ivar stays: the card outlives its vfio-user client, and is as after power-on for the next.
    :ivar trace_fd: file for the JSON-lines trace.
    :ivar pcap_fd: file for the capture, which starts at once.
    :ivar snap_bytes: of each frame, what the capture keeps.
    :ivar activity: the trace ends with the doorbells, DMA and interrupts of the end.
    :ivar store_fd: file for what the card keeps without power, which the card may fill.
    :ivar interrupts_fd: shared memory whose first 8 bytes count the MSI-X messages sent to QEMU,
        for whoever makes the guest wait until QEMU has seen them.
    :ivar cpu_seconds: CPU time after which the kernel ends the card.
    :ivar options: options of the card.
    :ivar plan: a fault plan that is armed from the start, or None.
    :ivar source: a host on the wire that sends TCP streams (devmodel.net.source), or None.
    """

    vfio_user_fd: int | None = None
    vhost_user_fd: int | None = None
    vhost_peer_fd: int | None = None
    vhost_disk_fd: int | None = None
    vhost_agent_fd: int | None = None
    vhost_layer_fds: Sequence[int] = ()
    image_fd: int | None = None
    layer_fds: Sequence[int] = ()
    agent_fd: int | None = None
    agent_turns: bool = False
    wire_fd: int | None = None
    tap_fd: int | None = None
    news_fd: int | None = None
    stays: bool = False
    control_fd: int | None = None
    trace_fd: int | None = None
    pcap_fd: int | None = None
    snap_bytes: int = 65536
    activity: bool = False
    store_fd: int | None = None
    interrupts_fd: int | None = None
    seed: int = 1
    timing: Timing = Timing.ASYNCHRONOUS
    confine: bool = True
    cpu_seconds: int = 6 * 3600
    options: dict[str, Any] | None = None
    source: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None

    @property
    def card_options(self) -> dict[str, Any]:
        """``options``, and the store if there is one."""
        store = {} if self.store_fd is None else {"store_fd": self.store_fd}
        return {**(self.options or {}), **store}

    @classmethod
    def parse(cls, text: str) -> Config:
        """Read the JSON object. Raises ConfigError."""
        try:
            given = json.loads(text)
        except ValueError as e:
            raise ConfigError(f"configuration is not JSON: {e}") from e
        if not isinstance(given, dict):
            raise ConfigError("configuration is not a JSON object")
        known = {f.name for f in fields(cls)}
        for key in given:
            if key not in known:
                raise ConfigError(f"unknown key {key!r}; known: {', '.join(sorted(known))}")
        for key in known & given.keys():
            given[key] = cls._checked(key, given[key])
        config = cls(**given)
        if (config.vfio_user_fd is None) == (config.vhost_user_fd is None):
            raise ConfigError("one of vfio_user_fd and vhost_user_fd must be given")
        ends = (config.wire_fd, config.tap_fd, config.vhost_peer_fd)
        if config.vfio_user_fd is not None and sum(fd is not None for fd in ends) > 1:
            raise ConfigError("one of wire_fd, tap_fd and vhost_peer_fd at most may be given")
        if len(config.vhost_layer_fds) != len(config.layer_fds):
            raise ConfigError("vhost_layer_fds and layer_fds must be of the same length")
        return config

    @classmethod
    def _checked(cls, key: str, value: Any) -> Any:
        if key == "timing":
            allowed = [t.value for t in Timing]
            if value not in allowed:
                raise ConfigError(f"timing is {value!r}; allowed: {', '.join(allowed)}")
            return Timing(value)
        if value is None and (key.endswith("_fd") or key in ("source", "plan")):
            return None
        if key in ("confine", "options", "source", "plan", "agent_turns", "stays", "activity"):
            expected = dict if key in ("options", "source", "plan") else bool
            if not isinstance(value, expected):
                raise ConfigError(f"{key} is {value!r}; expected {expected.__name__}")
            return value
        if key.endswith("_fds"):
            if not isinstance(value, list):
                raise ConfigError(f"{key} is {value!r}; expected list")
            return [cls._descriptor(key, one) for one in value]
        if type(value) is not int:
            raise ConfigError(f"{key} is {value!r}; expected int")
        if key.endswith("_fd"):
            return cls._descriptor(key, value)
        if key in ("cpu_seconds", "snap_bytes") and value <= 0:
            raise ConfigError(f"{key} must be positive")
        return value

    @staticmethod
    def _descriptor(key: str, value: Any) -> int:
        if type(value) is not int:
            raise ConfigError(f"{key}: {value!r} is no descriptor; expected int")
        try:
            os.fstat(value)
        except (OSError, OverflowError) as e:
            raise ConfigError(f"{key}: descriptor {value}: {e}") from e
        return value
