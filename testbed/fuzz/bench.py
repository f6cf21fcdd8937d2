# SPDX-License-Identifier: GPL-2.0-only
"""The bug bench: how long a search takes to find bugs that were put into the kernel on purpose.

A trial is one campaign on a kernel with one bug. The bug is found when a signature has shown for
the first time that the same schedule does not show on the kernel without the bug.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import median

from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.reading import Reader
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.search import BLIND, GUIDED, read_text
from testbed.fuzz.triage import variants

MODES = (GUIDED, BLIND)


@dataclass(frozen=True, order=True)
class Bug:
    """``patches``: a file, or a folder with a series."""

    name: str
    patches: Path


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One search for one bug.

    :ivar seconds: of the campaign, until the first run that showed it, or to the end.
    :ivar runs: the same, counted in runs.
    :ivar signature: how it showed first; empty if it was not found.
    :ivar faults: of the schedule that showed it, not minimised.
    :ivar signatures: that do not show on the kernel without the bug, those that triage takes for
        one counted once.
    :ivar limit_s: how long it was searched for at most.
    :ivar cpu_s: of those runs: guest, card and executor.
    :ivar load: of the machine when the trial ended: processes that run or wait, over a minute.
    """

    bug: str
    mode: str
    seed: int
    seconds: float
    runs: int
    limit_s: float
    signature: str = ""
    schedule: str = ""
    faults: int = 0
    signatures: int = 0
    cpu_s: float = 0.0
    load: float = 0.0

    @property
    def found(self) -> bool:
        """Whether it was."""
        return bool(self.signature)


def bugs_in(places: Iterable[Path]) -> list[Bug]:
    """Patches, and folders: each patch in one and each folder below is a bug. Raises UsageProblem.

    A folder that holds a file ``series`` is one bug.
    """
    found: list[Bug] = []
    for place in places:
        if place.is_file() or (place / "series").is_file():
            found.append(Bug(place.stem, place.resolve()))
            continue
        if not place.is_dir():
            raise UsageProblem(f"there is no patch and no folder {place}")
        inside = [*place.glob("*.patch"), *(path.parent for path in place.glob("*/series"))]
        if not inside:
            raise UsageProblem(f"{place} holds no *.patch, and no folder with a series")
        found += sorted(Bug(path.stem, path.resolve()) for path in inside)
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageProblem(f"two bugs are called {twice[0]}", remedy="rename one of the files")
    return found


def part_of(bugs: Sequence[Bug], part: str) -> list[Bug]:
    """Each N-th of them, beginning with the I-th, for ``I/N``. Raises UsageProblem."""
    number, slash, of = part.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UsageProblem(f"--bugs {part}: wanted is I/N with I from 1 to N, such as 1/4")
    return list(bugs[int(number) - 1 :: int(of)])


class Detector:
    """Looks for the bug in a campaign's store while that grows.

    :param clean: runs a schedule on the kernel without the bug.
    """

    def __init__(self, clean: Callable[[Schedule], Outcome]) -> None:
        self._clean = clean
        self._judged: dict[str, bool] = {}

    def found(self, reader: Reader) -> list[str]:
        """Signatures that are of the bug, first those that showed first."""
        rows = [one for one in reader.complaints() if not one.finding]
        for row in rows:
            if row.signature not in self._judged:
                schedule = read_text(reader.schedule(row.schedule).text)
                outcome = self._clean(replace(schedule, kernel=None))
                told = outcome.ended is not Ended.ENVIRONMENT
                if told:
                    self._judged[row.signature] = row.signature not in outcome.signatures
        of_it = [one for one in rows if self._judged.get(one.signature)]
        return [one.signature for one in sorted(of_it, key=lambda one: one.first_run)]


def trial_of(
    reader: Reader, signatures: Sequence[str], *, bug: str, mode: str, seed: int, limit_s: float,
    load: float = 0.0,
) -> Trial:  # fmt: skip
    """What a campaign that has ended says, of the signatures that are the bug's."""
    runs = [one for one in reader.runs() if one.ended is not Ended.ENVIRONMENT]
    if not signatures:
        seconds = max((one.at for one in runs), default=0.0)
        return Trial(
            bug=bug, mode=mode, seed=seed, seconds=seconds, runs=len(runs), limit_s=limit_s,
            cpu_s=sum(one.cpu_s for one in runs), load=load,
        )  # fmt: skip
    showed = min(
        (one for one in runs if signatures[0] in one.signatures), key=lambda one: one.number
    )
    schedule = read_text(reader.schedule(showed.schedule).text)
    until = [one for one in runs if one.at <= showed.at]
    follows = variants(reader.complaints(), runs)
    return Trial(
        bug=bug, mode=mode, seed=seed, seconds=showed.at, limit_s=limit_s, runs=len(until),
        signature=signatures[0], schedule=schedule.name, faults=len(schedule.faults),
        signatures=len({follows.get(one, one) for one in signatures}), load=load,
        cpu_s=sum(one.cpu_s for one in until),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """All trials of one bug by one kind of search. Medians are None where most did not find it."""

    bug: str
    mode: str
    trials: int
    found: int
    seconds: float | None
    runs: float | None
    signatures: float | None

    @classmethod
    def of(cls, bug: str, mode: str, trials: Sequence[Trial]) -> Row:
        """Of those trials, of which there are some; one that was not found took for ever."""
        of_it = [one for one in trials if one.found]
        count = [float(one.signatures) for one in of_it]
        return cls(
            bug=bug, mode=mode, trials=len(trials), found=len(of_it),
            seconds=_median([one.seconds if one.found else _NEVER for one in trials]),
            runs=_median([float(one.runs) if one.found else _NEVER for one in trials]),
            signatures=median(count) if count else None,
        )  # fmt: skip


_NEVER = float("inf")


def _median(values: Sequence[float]) -> float | None:
    middle = median(values)
    return None if middle == _NEVER else middle


def rows(trials: Sequence[Trial]) -> list[Row]:
    """By bug and search, in that order."""
    found = []
    for bug in sorted({one.bug for one in trials}):
        for mode in MODES:
            of_it = [one for one in trials if (one.bug, one.mode) == (bug, mode)]
            if of_it:
                found.append(Row.of(bug, mode, of_it))
    return found


class Results:
    """Trials that are done, a file for each below ``folder``: what is there is not done again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, bug: str, mode: str, seed: int) -> Path:
        """The folder of a trial's campaign."""
        return self._folder / bug / f"{mode}-{seed}"

    def get(self, bug: str, mode: str, seed: int) -> Trial | None:
        """A trial, if it is done. Raises UsageProblem for a file that is none."""
        return _read(self.place(bug, mode, seed).with_suffix(".json"))

    def all(self) -> list[Trial]:
        """Whatever is done, by bug, search and seed. Raises UsageProblem."""
        paths = [path for mode in MODES for path in self._folder.glob(f"*/{mode}-*.json")]
        found = [one for one in map(_read, paths) if one is not None]
        return sorted(found, key=lambda one: (one.bug, MODES.index(one.mode), one.seed))

    def add(self, trial: Trial) -> None:
        """Keep it, whole or not at all. Raises EnvironmentProblem."""
        path = self.place(trial.bug, trial.mode, trial.seed).with_suffix(".json")
        self._write(path, json.dumps(asdict(trial), indent=1) + "\n")

    def write_tables(self, trials: Sequence[Trial]) -> None:
        """trials.csv, bench.json with the medians. Raises EnvironmentProblem."""
        text = io.StringIO()
        names = [field.name for field in fields(Trial)]
        table = csv.DictWriter(text, names, lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(one) for one in trials)
        self._write(self._folder / "trials.csv", text.getvalue())
        document = {
            "trials": [asdict(one) for one in trials],
            "medians": [asdict(one) for one in rows(trials)],
            "found": {mode: share(trials, mode) for mode in MODES},
        }
        self._write(self._folder / "bench.json", json.dumps(document, indent=1) + "\n")

    @staticmethod
    def _write(path: Path, text: str) -> None:
        partial = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise EnvironmentProblem(f"{path} cannot be written: {error.strerror}") from error


def _read(path: Path) -> Trial | None:
    try:
        return Trial(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise UsageProblem(f"{path} is no trial: {error}", remedy="delete it") from error


def share(trials: Iterable[Trial], mode: str) -> list[int]:
    """How many trials of that search found their bug, and how many there are."""
    of_it = [one.found for one in trials if one.mode == mode]
    return [sum(of_it), len(of_it)]
