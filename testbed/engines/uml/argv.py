# SPDX-License-Identifier: GPL-2.0-only
"""UML's command line as a pure function of data.

The kernel mixes its command line into its random numbers, so that of a deterministic run names
nothing that changes from run to run: every path is relative to the private folder, which is the
working folder, and the kernel log is standard output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kernels.fragments import UML_PCI_VIRTIO_ID
from testbed.card.process import UML_LAYER
from testbed.engines.uml.hits import MAP_NAME, MAP_VARIABLE

SOCKETS: Mapping[str, int] = {"card": UML_PCI_VIRTIO_ID, "peer": 1, "disk": 2, "agent": 3}
"""Device -> virtio device id; the socket has the device's name."""

START_NS = 1_700_000_000_000_000_000
"""Where simulated time begins: 2023-11-14T22:13:20Z."""

INITRAMFS_LINK = "initramfs"
UMID = "guest"
"""The guest's name, and that of its folder in the private one."""
MEMORY_PLACE = "/dev/shm"
"""Where guest memory lies: in the jail a file system of its own, and not the host's."""

_WORD = re.compile(r'(?:[^ "]|"[^"]*")+')


@dataclass(frozen=True, kw_only=True)
class UmlSpec:
    """One UML guest. ``simulated_time``: one CPU, and time that passes only when all sleep;
    ``coverage``: the kernel counts where it comes by; ``has_shadow``: KASAN reserves terabytes of
    address space, so that memory beside the guest's cannot be limited; ``layers``: more disks;
    ``virtual_functions``: PCI devices behind the card, for each of which it connects once more;
    ``append`` is more of the command line."""

    memory_mib: int
    simulated_time: bool
    cpus: int = 1
    seed: int = 1
    coverage: bool = False
    has_shadow: bool = False
    layers: int = 0
    virtual_functions: int = 0
    append: str = ""


def device_argument(name: str) -> str:
    """What makes the kernel connect to a device."""
    return f"virtio_uml.device=./{name}:{SOCKETS.get(name, SOCKETS['disk'])}"


def build_argv(program: str, spec: UmlSpec) -> list[str]:
    """The whole command line."""
    argv = [
        program,
        f"mem={spec.memory_mib}M",
        "con=null",
        "con0=null,fd:1",
        "console=tty0",
        "norandmaps",
        f"umid={UMID}",
        "uml_dir=.",
        "seccomp=on",
        f"initrd={INITRAMFS_LINK}",
        "panic=-1",
        "random.trust_cpu=0",
    ]
    if spec.simulated_time:
        # the seed is part of the simulated world, as is the time it begins at
        argv += ["time-travel=inf-cpu", f"time-travel-start={START_NS + spec.seed}"]
    else:
        argv.append(f"ncpus={spec.cpus}")
    names = [*SOCKETS, *(UML_LAYER.format(number) for number in range(spec.layers))]
    argv += [device_argument(name) for name in ["card"] * spec.virtual_functions + names]
    return [*argv, *_WORD.findall(spec.append)]  # UML reads what is for itself word by word


def build_env(spec: UmlSpec) -> dict[str, str]:
    """Environment of the process: where guest memory lies, and the seed of its entropy."""
    env = {"TMPDIR": MEMORY_PLACE}
    if spec.simulated_time:
        env["UML_ENTROPY_SEED"] = str(spec.seed)
    if spec.coverage:
        env[MAP_VARIABLE] = MAP_NAME
    return env
