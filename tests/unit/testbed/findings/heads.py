# SPDX-License-Identifier: GPL-2.0-only
"""What the heads of made-up findings have in common."""

from __future__ import annotations

ABOUT = """title = "It breaks"
status = "open"
first_seen = 2026-11-20
needs = "none"
trigger = "root"
impact = "warning"
subsystem = "bnxt_en"
files = ["drivers/net/ethernet/broadcom/bnxt/bnxt.c"]
tests = ["tests/suite/link"]
"""
"""All but the id, the flavours, how it shows, a reproducer and the kernels."""

REPRODUCER = """
[reproducer]
test = "tests/suite/link/test_reset.py::test_it"
engine = "uml"
flavour = "uml-san"
deterministic = true
"""


def verified(kernel: str, flavour: str, *, runs: int = 3, tests: int = 7) -> str:
    """A [[verified]] table of 2026-11-22."""
    return (
        f'\n[[verified]]\nkernel = "{kernel}"\nflavour = "{flavour}"\ndate = 2026-11-22\n'
        f"runs = {runs}\ntests = {tests}\n"
    )


def checked(kernel: str, flavour: str, *, runs: int = 20, shown: int = 20, hashes: int = 0) -> str:
    """A [[checked]] table of 2026-11-21."""
    return (
        f'\n[[checked]]\nkernel = "{kernel}"\nflavour = "{flavour}"\ndate = 2026-11-21\n'
        f"runs = {runs}\nshown = {shown}\n" + (f"event_hashes = {hashes}\n" if hashes else "")
    )
