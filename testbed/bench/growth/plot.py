# SPDX-License-Identifier: GPL-2.0-only
"""Growth as curves: what all get together, what a byte costs, what a machine takes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from testbed.bench.growth.results import Point
from testbed.report.drawing import svg

_STYLES = {"queues": ("#1f5fa8", "o-"), "machines": ("#b3541e", "s--")}


def drawing(made: Sequence[Point]) -> str:
    """As SVG: three plots side by side, a curve for each kind."""

    def figure() -> Figure:
        shown = Figure(figsize=(11, 3.2), layout="constrained")
        titles = ("Mbit/s, all together", "CPU ns per byte", "MiB for each machine")
        for number, (axes, title) in enumerate(zip(shown.subplots(1, 3), titles, strict=True)):
            for kind, (colour, style) in _STYLES.items():
                those = [one for one in made if one.kind == kind]
                values = [
                    (one.mbit_per_s, one.ns_per_byte, one.qemu_mib + one.card_mib)[number]
                    for one in those
                ]
                axes.plot([one.count for one in those], values, style, color=colour, label=kind)
            axes.set_ylim(bottom=0)
            axes.set_title(title, fontsize=9)
            axes.spines[["top", "right"]].set_visible(False)
        shown.axes[0].legend(frameon=False, fontsize=8)
        return shown

    return svg(figure)
