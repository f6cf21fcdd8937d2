# SPDX-License-Identifier: GPL-2.0-only
"""How preparing kernels and images fails."""

from __future__ import annotations


class EnvironmentProblem(Exception):
    """The machine lacks something: a registry, a package, disk space, a permission.

    It is never the fault of the card, the guest or a test; the command line ends with exit code 3.
    `remedy` is one imperative sentence for the user, empty when there is none.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class ProgramFailed(EnvironmentProblem):
    """A program ended with another exit code than 0; `output` is the end of what it printed."""

    def __init__(self, message: str, output: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.output = output
