# SPDX-License-Identifier: GPL-2.0-only
"""Errors of the packages below (kernels, images) as the kinds the command line knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import images.errors
from images.disk import write_problem
from images.layer import UnknownPackage
from images.rootfs import RootProblem
from images.store import cache_root
from kernels.compile import BuildFailed
from kernels.configs import ConfigProblem
from kernels.flavours import UnknownFlavourError
from kernels.modules import ModuleProblem, UnknownModule
from kernels.own import OwnKernelProblem
from kernels.packages import UnknownKernelError
from kernels.patches import PatchProblem
from kernels.source import SourceProblem
from testbed.errors import EnvironmentProblem, UsageProblem

_USAGE = (
    OwnKernelProblem, PatchProblem, RootProblem, SourceProblem, UnknownFlavourError,
    UnknownKernelError, UnknownModule, UnknownPackage,
)  # fmt: skip


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise UsageProblem for what the user gave, EnvironmentProblem for what is missing here.

    A cache that is full, read-only or somebody else's is the latter, wherever that shows.
    """
    try:
        yield
    except OSError as error:
        cache = cache_root()
        problem = write_problem(error, cache, "build what is missing")
        if problem is None or not Path(error.filename or cache).is_relative_to(cache):
            raise
        raise EnvironmentProblem(problem.message, remedy=problem.remedy) from error
    except images.errors.EnvironmentProblem as problem:
        raise EnvironmentProblem(problem.message, remedy=problem.remedy or None) from problem
    except (BuildFailed, ConfigProblem) as problem:
        raise UsageProblem(str(problem), log_path=problem.log) from problem
    except _USAGE as problem:
        raise UsageProblem(str(problem)) from problem
    except ModuleProblem as problem:
        raise EnvironmentProblem(str(problem), remedy="Choose another kernel.") from problem
