# SPDX-License-Identifier: GPL-2.0-only
"""A trial as a file that is enough to run it again: plan, workload, engine, kernel, seed.

::

    version = 1                    # of this format
    name = "rx-opaque-wrong"       # entry of the catalogue, for what is expected
    workload = "stream"
    engine = "uml"
    flavour = "uml-san"            # UML only
    kernel = "7.2.12"              # only if one was named
    seed = 17
    signature = "..."              # what the run showed
    event_hash = "..."             # UML in simulated time only

    [[fault]]                      # the plan's, as in a plan file

A finding (docs/findings/*.md) is such a file as well, if its reproducer is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tomli_w

from testbed.engines.open import build_options, engine_of
from testbed.engines.pool import SessionPool
from testbed.errors import ConfigProblem
from testbed.faults.catalogue import load_catalogue
from testbed.faults.entry import Expect, Fault, FaultClass, Reaction, Work
from testbed.findings.load import read_finding
from testbed.options import ENGINES, RunOptions
from testbed.schema import After, OneOf, WrongValue, read_toml
from testbed.workloads.table import WORKLOADS

if TYPE_CHECKING:
    from testbed.faults.run import Trial

FILE_NAME = "replay.toml"
VERSION = 1
SEED = 1
"""Of a finding's trial, as of a `faults run` that names none."""


@dataclass(frozen=True)
class Replay:
    """A file's content. ``document`` is the plan; ``finding``: id of the one that has to show."""

    fault: Fault
    document: Mapping[str, Any]
    options: RunOptions
    signature: str = ""
    event_hash: str = ""
    finding: str = ""

    @property
    def sought(self) -> str:
        """What a run has to show."""
        return self.finding or self.signature or "nothing wrong"

    def is_shown_by(self, trial: Trial) -> bool:
        """Whether a run showed what the file says."""
        if self.finding:
            return self.finding in trial.judgement.findings
        return trial.judgement.signature == self.signature


def replay_text(trial: Trial, pool: SessionPool, plan: Mapping[str, Any] | None) -> str:
    """The file for a trial that was run with ``pool``'s options."""
    options, engine = pool.options, engine_of(pool.options)
    plan = plan or trial.fault.document()
    head: dict[str, Any] = {
        "version": VERSION, "name": trial.fault.name, "workload": trial.fault.workload,
        "engine": options.engine, "flavour": options.flavour if engine.flavours else "",
        "kernel": options.kernel or "", "seed": plan.get("seed", options.seed),
        "signature": trial.judgement.signature,
        "event_hash": trial.evidence.digest if engine.simulated_time(options) else "",
    }  # fmt: skip
    kept = {key: thing for key, thing in head.items() if thing not in ("", None)}
    return tomli_w.dumps({**kept, "fault": [dict(one) for one in plan["fault"]]})


def _fault_name(name: str) -> str:
    if not re.fullmatch(r"[\w-]+", name):  # it becomes the name of a folder
        raise WrongValue(f"{name!r} is no name of a fault", allowed=["letters, digits, _ and -"])
    return name


@dataclass(frozen=True, kw_only=True)
class _ReplayFile:
    """The file: its keys and their types."""

    version: Literal[1]
    name: Annotated[str, After(_fault_name)]
    workload: Annotated[str, OneOf(WORKLOADS)]
    engine: Annotated[str, OneOf(ENGINES)]
    flavour: str | None = None
    kernel: str | None = None
    seed: int
    signature: str = ""
    event_hash: str = ""
    fault: tuple[Mapping[str, Any], ...]


def load_replay(path: Path) -> Replay:
    """Read a file. Raises ConfigProblem, UsageProblem."""
    kept = read_toml(_ReplayFile, path)
    options = build_options(
        {"engine": kept.engine, "flavour": kept.flavour, "kernel": kept.kernel, "seed": kept.seed}
    )
    plan = {"version": 1, "fault": list(kept.fault)}
    fault = entry_of(kept.name, kept.workload, plan)
    return Replay(fault, plan, options, kept.signature, kept.event_hash)


def load_finding(path: Path, engine: str) -> Replay:
    """The trial that a finding names. Raises ConfigProblem if it names none."""
    finding = read_finding(path)
    shows = finding.reproducer
    if shows.fault is None:
        raise ConfigProblem(path, "reproducer.fault", "is missing: no trial of a fault shows it")
    fault = load_catalogue().get(shows.fault)
    if fault is None:
        raise ConfigProblem(path, "reproducer.fault", f"there is no fault {shows.fault!r}")
    flavour = shows.flavour if engine == shows.engine else None
    seed = SEED if shows.seed is None else shows.seed
    options = build_options({"engine": engine, "flavour": flavour, "seed": seed})
    return Replay(fault, fault.document(), options, finding=finding.id)


def entry_of(name: str, workload: str, plan: Mapping[str, Any]) -> Fault:
    """The catalogue's entry of that name with this plan, or one that expects no more than what
    belongs to the workload."""
    known = load_catalogue().get(name)
    if known is not None:
        return replace(known, workload=workload, plan=tuple(plan["fault"]))
    return Fault(
        name=name, fault_class=FaultClass.DMA, title="a plan from a file",
        plan=tuple(plan["fault"]), workload=workload,
        expect=Expect(
            reaction=Reaction.UNAFFECTED, work=Work.EITHER,
            complaints=WORKLOADS[workload].complaints,
        ),
        source="none",
    )  # fmt: skip
