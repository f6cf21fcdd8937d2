# SPDX-License-Identifier: GPL-2.0-only
"""How our HTML pages are made from templates."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape


def templates(package: str) -> Environment:
    """The templates (`*.j2`) in the folder of ``package``, then those here (style.css.j2).

    A name without value raises.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader("testbed.report", ".")]),
        autoescape=select_autoescape(default=True), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
