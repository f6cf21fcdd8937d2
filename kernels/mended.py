# SPDX-License-Identifier: GPL-2.0-only
"""Which findings are mended in a kernel that was built here, by the patches it was built with."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from images.inside import Inside
from images.store import Json
from kernels.build import ABOUT_KERNEL
from kernels.flavours import UP_FILTERS, WORKAROUNDS
from kernels.patches import FIXES, Patch, load_series
from kernels.patching import PATCHES, PatchAccount, PatchOutcome

_THERE = (PatchOutcome.APPLIED, PatchOutcome.ALREADY_THERE)
_MOST_BYTES = 1 << 20


def mended_in(provenance: Mapping[str, Json]) -> frozenset[str]:
    """Ids of the findings whose fix of ours is in the build, each patch of it that is for this
    kernel; ``provenance`` is a build's, or what :func:`patches_of` told of one."""
    lines = provenance.get(PATCHES)
    told = (
        frozenset(one for one in lines if isinstance(one, str)) if isinstance(lines, list) else ()
    )
    if not told:
        return frozenset()
    return frozenset(name for name, patches in _fixes().items() if _has(told, patches))


def shows_filters(provenance: Mapping[str, Json]) -> bool:
    """Whether a build for one CPU hides no ntuple filters; ``provenance`` as of :func:`mended_in`,
    with what :func:`workarounds_of` told."""
    lines = provenance.get(WORKAROUNDS)
    return isinstance(lines, list) and UP_FILTERS.line in lines


def patches_of(image: Path) -> list[Json]:
    """What became of each patch of the build of ours that ``image`` lies in; nothing if it lies in
    none. Whatever else is beside it may be anybody's: what cannot be read tells nothing."""
    return _told(image, PATCHES)


def workarounds_of(image: Path) -> list[Json]:
    """The same of what the build worked around."""
    return _told(image, WORKAROUNDS)


def _told(image: Path, what: str) -> list[Json]:
    beside = Inside(image.parent)
    try:
        with beside.open(ABOUT_KERNEL) as stream:
            about = json.loads(stream.read(_MOST_BYTES))
        lines = about["provenance"][what]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    return [one for one in lines if isinstance(one, str)] if isinstance(lines, list) else []


@cache
def _fixes() -> Mapping[str, tuple[Patch, ...]]:
    return {one.name: tuple(load_series(one).patches) for one in FIXES.iterdir() if one.is_dir()}


def _has(told: Collection[str], patches: Collection[Patch]) -> bool:
    not_for_it = PatchOutcome.NOT_FOR_THIS_KERNEL
    there = [one for one in patches if any(_head(outcome, one) in told for outcome in _THERE)]
    lacking = [one for one in patches if one not in there and _head(not_for_it, one) not in told]
    return bool(there) and not lacking


def _head(outcome: PatchOutcome, patch: Patch) -> str:
    return PatchAccount(patch, outcome).lines()[0]
