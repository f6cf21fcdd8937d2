# SPDX-License-Identifier: GPL-2.0-only
"""What the keys of a finding's head mean, in words for maintainers."""

from __future__ import annotations

from kernels.flavours import flavour
from testbed.findings.head import Checked, Head, Impact, Needs, Trigger
from testbed.findings.kernel import DEBIAN

NEEDS = {
    Needs.NOTHING: "nothing: card and firmware do what they should",
    Needs.REFUSING_FIRMWARE: "a firmware that refuses a request or dies, as it may",
    Needs.LYING_CARD: "a card that says what it must not say: this is hardening",
    Needs.ARTEFACT: "the kernel's configuration; no machine in use is known to have it",
}
TRIGGER = {
    Trigger.WIRE: "whoever can send packets to the machine",
    Trigger.USER: "a user without privileges",
    Trigger.ROOT: "an administrator",
    Trigger.FIRMWARE: "the firmware of the card",
    Trigger.CARD: "the card",
}
IMPACT = {impact: impact.value for impact in Impact} | {
    Impact.PANIC: "the kernel panics",
    Impact.WRONG_ANSWER: "user space gets a wrong answer",
    Impact.WARNING: "a warning (a panic with panic_on_warn)",
}
SEVERITY = (
    Impact.USE_AFTER_FREE, Impact.MEMORY_CORRUPTION, Impact.INFORMATION_LEAK, Impact.PANIC,
    Impact.HANG, Impact.STALL, Impact.RESOURCE_LEAK, Impact.WRONG_ANSWER, Impact.WARNING,
)  # fmt: skip
"""The worst first."""
REACH = (Trigger.WIRE, Trigger.USER, Trigger.ROOT, Trigger.FIRMWARE, Trigger.CARD)
"""The least privileged first."""

CHECKS = (
    "SMP", "KASAN", "UBSAN", "DEBUG_KMEMLEAK", "PROVE_LOCKING", "DMA_API_DEBUG", "DEBUG_NET",
    "DEBUG_PAGEALLOC", "KCOV",
)  # fmt: skip
"""Options that decide whether a bug shows."""


def severity(finding: Head) -> tuple[int, int, str]:
    """A key to sort by, the gravest first: who can do it, and what comes of it."""
    return REACH.index(finding.trigger), SEVERITY.index(finding.impact), finding.id


def machine(name: str) -> str:
    """What a kernel of that flavour runs on."""
    if name == DEBIAN:
        return "x86-64 in QEMU, Debian's package"
    return "User Mode Linux" if flavour(name).arch == "um" else "x86-64 in QEMU"


def configuration(name: str) -> str:
    """Machine and options of a flavour that matter, and what the build does from outside."""
    if name == DEBIAN:
        return machine(name)
    chosen = flavour(name)
    options = {name: value for group in chosen.groups for name, value in group.options.items()}
    checks = [f"CONFIG_{option}" for option in CHECKS if options.get(option) == "y"]
    said = [machine(name), *([", ".join(checks)] if checks else [])]
    said += [
        f"a header of ours ahead of {one.object}.c ({one.reason.partition(';')[0]})"
        for one in chosen.workarounds
    ]
    return "; ".join(said)


def newest_first(finding: Head) -> list[Checked]:
    """What it was tried on, the newest kernel first."""
    return sorted(finding.checked, key=lambda one: (one.kernel, one.flavour), reverse=True)


def seen_on(finding: Head) -> list[str]:
    """A line for each kernel that it was tried on, the newest first."""
    return [f"{one.kernel} ({one.flavour}): {count(one)}" for one in newest_first(finding)]


def fixed_on(finding: Head) -> list[str]:
    """A line for each kernel on which our fix was tried, the newest first."""
    tried = sorted(finding.verified, key=lambda one: (one.kernel, one.flavour), reverse=True)
    return [
        f"{one.kernel} ({one.flavour}): not in {one.runs} runs;"
        f" {one.tests} tests of its area end well"
        + (" (with our other fixes)" if one.together else "")
        for one in tried
    ]


def count(one: Checked) -> str:
    """How often it showed."""
    return f"{one.shown} of {one.runs} runs" if one.shown else f"not in {one.runs} runs"
