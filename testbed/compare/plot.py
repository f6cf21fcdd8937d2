# SPDX-License-Identifier: GPL-2.0-only
"""The comparison as a plot: our instructions by group, the published throughput beside them."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.compare.groups import GROUPS
from testbed.compare.published import COVER_LETTER
from testbed.compare.results import Measurement
from testbed.report.drawing import svg

_PALETTE = (
    "#c44e52", "#4c72b0", "#8172b3", "#55a868", "#dd8452", "#e3c565", "#937860", "#a9a9a9",
    "#64b5cd",
)  # fmt: skip
COLOURS = dict(zip(GROUPS, _PALETTE, strict=True))


def drawing(measurements: Sequence[Measurement]) -> str:
    """The plot as SVG, the same text for the same numbers."""

    def figure() -> Figure:
        made = Figure(figsize=(11, 1.9 + 0.42 * len(measurements)), layout="constrained")
        ours, theirs = made.subplots(1, 2, width_ratios=(3, 1))
        _costs(ours, measurements)
        _published(theirs)
        return made

    return svg(figure)


def _costs(axes: Axes, measurements: Sequence[Measurement]) -> None:
    places = range(len(measurements))
    left = [0.0] * len(measurements)
    for name in GROUPS:
        widths = [one.group(name, lambda count: count.instructions).median for one in measurements]
        axes.barh(places, widths, left=left, color=COLOURS[name], label=name, height=0.65)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, one, end in zip(places, measurements, left, strict=True):
        axes.text(end, place, f" {one.cost.bar_text}", va="center", fontsize=8)
    axes.set_yticks(places, [one.label for one in measurements], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max(left) * 1.16)
    axes.set_xlabel("guest instructions per KiB received, each repetition of a copy counted")
    axes.legend(fontsize=7, ncols=4, loc="lower center", bbox_to_anchor=(0.45, 1.0), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _published(axes: Axes) -> None:
    labels, values, colours = [], [], []
    for one in COVER_LETTER:
        labels += [f"epoll, {one.vcpu}", f"zcrx, {one.vcpu}"]
        values += [one.epoll_gbps, one.zcrx_gbps]
        colours += ["#bbbbbb", "#777777"]
    places = range(len(labels))
    axes.barh(places, values, color=colours, height=0.6)
    for place, value in zip(places, values, strict=True):
        axes.text(value, place, f" {value:.1f}", va="center", fontsize=8)
    axes.set_yticks(places, labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 145)
    axes.set_xlabel("Gbit/s, BCM957508, 2025", fontsize=9)
    axes.set_title("not ours", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
