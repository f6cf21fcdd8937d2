# SPDX-License-Identifier: GPL-2.0-only
"""Whether a guided fuzz campaign finds more than a blind one. Run by hand:

    python -P -m tests.bench.guided --out FOLDER [--seeds 5] [--minutes 5] [--measured CSV]
        [-- WORDS]

WORDS are further options of `testbed fuzz start`, such as `--flavour uml`.

For each seed a guided and a blind campaign search side by side, one worker each, so that whatever
else the host does hits both. What is done already in FOLDER is not done again, nor are the pairs of
CSV, which is what an earlier call has written, of as many minutes. It prints a table, and writes
guided.csv and guided.svg: of all seeds the median, and the least and the most.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from testbed.errors import UsageProblem
from testbed.fuzz.curves import Curve
from testbed.fuzz.reading import Reader
from testbed.fuzz.search import BLIND, GUIDED
from testbed.report.drawing import svg

MODES = (GUIDED, BLIND)
STEPS = 60
"""Points of a curve."""
WHAT = ("edges", "states", "signatures")
FIELDS = ("mode", "seed", "minute", "runs", *WHAT)
_LOOK = {GUIDED: ("#1f5fa8", "-"), BLIND: ("#b3541e", "--")}  # 4.5:1 or more on white
_NEARLY_S = 5.0
"""A campaign that lacks less is done: its last runs may end before its time."""
Point = dict[str, float]
"""Minute and what had been found by then, by their names in FIELDS."""


def points(curve: Curve, minutes: float) -> list[Point]:
    """What a campaign had found at each of STEPS + 1 times, the last at ``minutes``."""
    found = []
    for step in range(STEPS + 1):
        minute = minutes * step / STEPS
        runs = bisect_right(curve.minutes, minute)
        found.append(
            {
                "minute": minute,
                "runs": runs,
                "edges": curve.edges[runs - 1] if runs else 0,
                "states": curve.states[runs - 1] if runs else 0,
                "signatures": bisect_right(curve.findings, minute),
            }
        )
    return found


Found = Mapping[tuple[str, int], Sequence[Point]]
"""Search and seed -> its points."""


def table(found: Found) -> Iterator[str]:
    """What there was at the end: median, least and most; and in how many pairs guided has more."""
    seeds = sorted({seed for _, seed in found})
    yield "| | guided | blind | guided has more |"
    yield "|---|---|---|---|"
    for name in ("runs", *WHAT):
        ends = {mode: [found[mode, seed][-1][name] for seed in seeds] for mode in MODES}
        ahead = sum(ours > theirs for ours, theirs in zip(*ends.values(), strict=True))
        cells = [
            f"{median(values):.0f} ({min(values):.0f}-{max(values):.0f})"
            for values in ends.values()
        ]
        yield f"| {name} | {' | '.join(cells)} | {ahead} of {len(seeds)} seeds |"


def drawing(found: Found) -> str:
    """Curves of the medians, with the least and the most of all seeds around them."""
    return svg(lambda: _figure(found))


def _figure(found: Found) -> Figure:
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(WHAT)), WHAT, strict=True):
        for mode in MODES:
            colour, style = _LOOK[mode]
            of_it = [one for (searched, _), one in found.items() if searched == mode]
            minutes = [point["minute"] for point in of_it[0]]
            values = [[point[name] for point in at] for at in zip(*of_it, strict=True)]
            axes.plot(minutes, list(map(median, values)), style, color=colour, label=mode)
            axes.fill_between(
                minutes, list(map(min, values)), list(map(max, values)), color=colour, alpha=0.15
            )
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("minutes")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _name(mode: str, seed: int) -> str:
    return f"{mode}-{seed}"


def _place(out: Path, mode: str, seed: int) -> Path:
    return out / "runs" / f"fuzz-{_name(mode, seed)}"


def _done_s(out: Path, mode: str, seed: int) -> float:
    """How long a campaign has searched."""
    try:
        with Reader.of(_place(out, mode, seed)) as store:
            return store.totals().at
    except UsageProblem:
        return 0.0


def _search(
    out: Path, mode: str, seed: int, seconds: float, more: Sequence[str]
) -> subprocess.Popen[bytes]:
    words = f"fuzz start --name {_name(mode, seed)} --workers 1 --seed {seed}".split()
    words += ["--blind"] if mode == BLIND else []
    words += ["--minutes", f"{seconds / 60:.3f}", *more]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "testbed", *words], cwd=out,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def search(out: Path, seed: int, minutes: float, more: Sequence[str]) -> None:
    """Both campaigns of a seed, as far as they are not done. Raises CalledProcessError."""
    wanted = {mode: minutes * 60 - _done_s(out, mode, seed) for mode in MODES}
    both = [_search(out, mode, seed, s, more) for mode, s in wanted.items() if s > _NEARLY_S]
    for process in both:
        process.wait()
    for process in both:
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)


def read(out: Path, seeds: Sequence[int], minutes: float) -> Found:
    """What all of them found. Raises TestbedError."""
    found = {}
    for seed in seeds:
        for mode in MODES:
            with Reader.of(_place(out, mode, seed)) as store:
                found[mode, seed] = points(Curve.of(mode, store.runs()), minutes)
    return found


def write(out: Path, found: Found) -> None:
    """guided.csv and guided.svg."""
    with (out / "guided.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, FIELDS, lineterminator="\n")
        rows.writeheader()
        for (mode, seed), curve in found.items():
            rows.writerows({"mode": mode, "seed": seed, **_rounded(point)} for point in curve)
    (out / "guided.svg").write_text(drawing(found), encoding="utf-8")


def measured(file: Path, minutes: float) -> Found:
    """The pairs that :func:`write` has written. Raises UsageProblem."""
    found = defaultdict[tuple[str, int], list[Point]](list)
    try:
        with file.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                point = {name: float(row[name]) for name in ("minute", "runs", *WHAT)}
                found[row["mode"], int(row["seed"])].append(point)
    except (OSError, KeyError, ValueError) as error:
        raise UsageProblem(f"{file} is none of guided.csv: {error}") from error
    wrong = [one for one in found.values() if len(one) != STEPS + 1 or one[-1]["minute"] != minutes]
    seeds = {mode: {seed for searched, seed in found if searched == mode} for mode in MODES}
    if not found or wrong or seeds[GUIDED] != seeds[BLIND]:
        raise UsageProblem(f"{file} has no pairs of {minutes:g} minutes, with {STEPS + 1} points")
    return found


def _rounded(point: Point) -> Mapping[str, object]:
    return {name: f"{value:g}" for name, value in point.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """What the module's docstring says."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.bench.guided", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="1 to so many (%(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of each (%(default)s)")
    parser.add_argument("--measured", type=Path, metavar="CSV", help="pairs of an earlier call")
    parser.add_argument("words", nargs="*", help="further options of `testbed fuzz start`")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    known = measured(given.measured, given.minutes) if given.measured else {}
    seeds = [one for one in range(1, given.seeds + 1) if (GUIDED, one) not in known]
    for seed in seeds:
        search(given.out, seed, given.minutes, given.words)
        print(f"seed {seed} is done, load {os.getloadavg()[0]:.1f}", flush=True)
    found = {**known, **read(given.out, seeds, given.minutes)}
    write(given.out, found)
    for line in table(found):
        print(line)


if __name__ == "__main__":
    main()
