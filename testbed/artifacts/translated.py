# SPDX-License-Identifier: GPL-2.0-only
"""Errors of the packages below (kernels, images) as the kinds the command line knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import images.errors
from kernels.compile import BuildFailed
from kernels.configs import ConfigProblem
from kernels.flavours import UnknownFlavourError
from kernels.modules import ModuleProblem
from kernels.own import OwnKernelProblem
from kernels.packages import UnknownKernelError
from kernels.patches import PatchProblem
from kernels.source import SourceProblem
from testbed.errors import EnvironmentProblem, UsageProblem

_USAGE = (
    OwnKernelProblem, PatchProblem, SourceProblem, UnknownFlavourError, UnknownKernelError,
)  # fmt: skip


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise UsageProblem for what the user gave, EnvironmentProblem for what is missing here."""
    try:
        yield
    except images.errors.EnvironmentProblem as problem:
        raise EnvironmentProblem(problem.message, remedy=problem.remedy or None) from problem
    except (BuildFailed, ConfigProblem) as problem:
        raise UsageProblem(str(problem), log_path=problem.log) from problem
    except _USAGE as problem:
        raise UsageProblem(str(problem)) from problem
    except ModuleProblem as problem:
        raise EnvironmentProblem(str(problem), remedy="Choose another kernel.") from problem
