# SPDX-License-Identifier: GPL-2.0-only
"""The session of User Mode Linux: the guest is a process of the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from images.jail.user import draw_uid
from images.rootfs import folder_image
from images.store import Json
from kernels.mended import shows_filters
from testbed.artifacts.layers import Layers
from testbed.artifacts.prepare import Artifacts
from testbed.artifacts.translated import translated
from testbed.card.process import CardConfig, EmulatedCard
from testbed.dut.protocols import Capability
from testbed.engines.emulated import ALL_CAPABILITIES, EmulatedSession
from testbed.engines.session import entered
from testbed.engines.uml.argv import UmlSpec
from testbed.engines.uml.flavours import SIMULATED
from testbed.engines.uml.hits import FILE_NAME, HitMap, Hits
from testbed.engines.uml.machine import UmlMachine
from testbed.engines.uml.prepare import UmlPrepared
from testbed.engines.uml.prompt import Prompt
from testbed.errors import LostVM, TestbedError
from testbed.host.core import own_core
from testbed.host.pace import Pace
from testbed.options import RunOptions, Timing

USUAL_BOOT_S = 1.0
UML_LACKS = {Capability.IOMMU, Capability.STOCK_MODULE}
ONE_CPU_LACKS = {Capability.NTUPLE, Capability.SMP, Capability.REAL_TIME}


def one_cpu_lacks(provenance: Mapping[str, Json]) -> set[Capability]:
    """What a kernel in simulated time lacks, by what its build hides (kernels/host/up_bnxt.h)."""
    return ONE_CPU_LACKS - ({Capability.NTUPLE} if shows_filters(provenance) else set())


class UmlSession(EmulatedSession):
    """Card, peer, disk and agent's port are one process, the guest is another.

    :ivar busy_s: CPU seconds after which a guest that does nothing else is lost, if that is set.
    """

    busy_s: float | None = None

    def __init__(
        self, options: RunOptions, run_dir: Path, prepared: UmlPrepared,
        console: Console | None = None,
    ) -> None:  # fmt: skip
        super().__init__(options, run_dir, console)
        self._prepared = prepared
        self._machine: UmlMachine | None = None
        self._uid = draw_uid()
        self._simulated = options.flavour in SIMULATED
        self._hits = None if prepared.covered is None else Hits(prepared.covered)
        self._hit_map: HitMap | None = None
        self._shared: Path | None = None
        self._core: int | None = None

    @property
    def machine(self) -> UmlMachine:
        """The UML process."""
        return entered(self._machine)

    def _start_machine(self) -> None:
        self.private.grant(self._uid)
        if self.options.shared_folder is not None:
            with self._stage("share", "copying the shared folder"):
                self._shared = self._copy_of(self.options.shared_folder)
        if self._simulated:
            self._core = self._stack.enter_context(own_core())
        card = self._start_card(self._uid)
        self._stack.callback(self._stop_guest)
        self._start_guest(card)

    def _copy_of(self, folder: Path) -> Path:
        """An image of it, for as long as the session lasts. Raises UsageProblem."""
        place = Path(self._stack.enter_context(TemporaryDirectory(prefix="testbed-share-")))
        with translated():
            folder_image(Artifacts().tools, folder, place / "share.erofs")
        return place / "share.erofs"

    @property
    def _images(self) -> Mapping[str, Path]:
        """Of the disks behind the first, in their order: a root is given the share, too."""
        shared = {} if self._shared is None else {"share": self._shared}
        return {**shared, **self._prepared.layers.by_name}

    @property
    def _layers(self) -> Mapping[str, str]:
        return Layers(self._images).devices(first=1)

    @property
    def _virtual_functions(self) -> int:
        """How many the card can show."""
        count = self.options.card_options.get("virtual_functions", 0)
        assert isinstance(count, int)
        return count

    def _start_guest(self, card: EmulatedCard) -> None:
        spec = UmlSpec(
            memory_mib=self.options.memory_mib, simulated_time=self._simulated,
            layers=len(self._images),
            virtual_functions=self._virtual_functions,
            cpus=self.options.cpus, seed=self.seed,
            coverage=self._hits is not None,
            has_shadow=self._prepared.has_kasan(self.options.flavour),
            append=self.options.append,
        )  # fmt: skip
        if self._hits is not None:
            self._hit_map = HitMap(self.private.path, self._uid)

        async def launch() -> UmlMachine:
            assert card.agent is not None
            machine = self._machine = UmlMachine(
                spec, program=self._prepared.kernel.image, initramfs=self._prepared.initramfs,
                connection=card.agent.dup(), private=self.private, run_dir=self.run_dir,
                uid=self._uid, progress=lambda: self._progress(card),
                patience_s=self.options.watchdog_s, busy_s=self.busy_s, core=self._core,
                card_pid=None if self.card.process is None else self.card.process.pid,
                on_kernel_event=self._on_kernel_event,
            )  # fmt: skip
            await machine.launch()
            self._watch_helpers(machine)
            return machine

        with self._stage("launch", "starting User Mode Linux"):
            machine = self.loop.run(launch())
        with self._stage("boot", "booting the guest"):
            self.loop.run(machine.boot())
        self.pace.booted(self.boot_seconds, USUAL_BOOT_S)

    def _stop_guest(self) -> None:
        machine = self._machine
        if machine is not None:
            self.loop.run(machine.stop())
        hit_map, self._hit_map = self._hit_map, None
        if hit_map is not None and self._hits is not None:
            with hit_map:
                self._hits.add_map(hit_map.read())
            self._hits.save(self.run_dir / FILE_NAME)

    def take_hits(self, *, go_on: bool = False) -> list[tuple[int, bytes]]:
        """What the guest there is has counted, as HitMap.pieces(), which nobody else counts then.

        It counts no more, or with ``go_on`` from nothing again. Empty without ``--coverage``, and
        when it has been taken.
        """
        hit_map = self._hit_map
        if hit_map is None:
            return []
        if go_on:
            pieces = list(hit_map.pieces())
            hit_map.clear(pieces)
            return pieces
        self._hit_map = None
        with hit_map:
            return list(hit_map.pieces())

    def restart(self) -> None:
        """See :meth:`testbed.engines.session.Session.restart`; also after a guest that was lost.

        The card is as ``options`` and ``seed`` are by now.
        """
        if not isinstance(self.machine.lost, LostVM):
            self.check()
        self._stop_guest()
        self.card.renew(self.seed, self._card_config().options)
        self._start_guest(self.card)
        self._set_up_guest()

    def plug_card(self) -> None:
        """See :meth:`testbed.engines.session.Session.plug_card`."""
        self.loop.run(self.machine.plug("card"))

    def relay_terminal(self, wake_fd: int) -> None:
        """Our terminal is that of a shell the agent starts. Raises LostVM."""
        Prompt(self.loop, self.machine.agent, self.dut, wake_fd).run()

    def _card_config(self) -> CardConfig:
        return replace(
            super()._card_config(),
            # UML loses its queue when an interrupt comes by itself, whatever its own time
            timing=Timing.SYNCHRONOUS.value,
            uml_image=self._prepared.root_image,
            uml_layers=list(self._images.values()),
            agent_turns=self._simulated,
            core=self._core,
        )

    @staticmethod
    async def _progress(card: EmulatedCard) -> Any:
        try:
            return (await card.request("state"))["transport"]
        except TestbedError:
            return None  # whoever watches the card says so

    @property
    def kernel_release(self) -> str:
        """`uname -r` of the kernel under test."""
        return self._prepared.kernel.release

    @property
    def _is_stock_kernel(self) -> bool:
        return self._prepared.kernel.stock

    @property
    def _guest_pace(self) -> Pace:
        """Time-outs are of the guest's own time, which does not run faster than the guest."""
        return Pace() if self._simulated else self.pace

    def _capabilities(self) -> frozenset[Capability]:
        lacking = set(UML_LACKS)
        if self._simulated:
            lacking |= one_cpu_lacks(self._prepared.kernel.provenance)
        if self.options.cpus == 1:
            lacking |= {Capability.SMP}
        return ALL_CAPABILITIES - lacking
