# SPDX-License-Identifier: GPL-2.0-only
"""What a user can get wrong about a kernel from source is a usage error that says so."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from images.errors import EnvironmentProblem as ImagesProblem
from kernels.build import Builder
from kernels.compile import BuildFailed, Progress
from kernels.configs import ConfigProblem
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels, reported
from testbed.cli.main import run_app
from testbed.errors import EnvironmentProblem, UsageProblem


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (KernelRequest(flavour="umll"), "there is no kernel flavour 'umll'"),
        (KernelRequest(flavour="debug", coverage=True), "debug has KCOV"),
        (KernelRequest(tree=Path("/nowhere")), "/nowhere holds no kernel source"),
        (KernelRequest(tarball=Path("/nowhere")), "there is no tarball /nowhere"),
        (KernelRequest(base="7.2", tree=Path("/x")), "base and tree are given"),
        (KernelRequest(tree=Path("/x"), patches=[Path("/none")]), "/none cannot be read"),
        (KernelRequest(tree=Path("/x"), fragments=[Path("/none")]), "/none cannot be read"),
    ],
)
def test_wrong_request(tmp_path: Path, request_: KernelRequest, complaint: str) -> None:
    with pytest.raises(UsageProblem, match=complaint):
        SourceKernels(tmp_path).build(request_)


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (BuildFailed("kernel x", "a.c:1: error: no", Path("/log")), UsageProblem),
        (ConfigProblem("CONFIG_X=y: no such option", Path("/log")), UsageProblem),
        (ImagesProblem("the disk is full", "Free some."), EnvironmentProblem),
    ],
)
def test_failures_keep_their_kind_and_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: type[Exception]
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise raised

    monkeypatch.setattr(Builder, "build", fail)
    with pytest.raises(kind) as caught:
        SourceKernels(tmp_path).build(KernelRequest(tree=tmp_path))
    if kind is UsageProblem:
        assert caught.value.log_path == Path("/log")  # type: ignore[attr-defined]
    else:
        assert caught.value.remedy == "Free some."  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("number", "place", "kind", "said"),
    [
        (errno.EROFS, "kernel-trees/x", EnvironmentProblem, "is read-only"),
        (errno.ENOSPC, "kernel-trees/x", EnvironmentProblem, "is full"),
        (errno.EACCES, "kernel-trees/x", EnvironmentProblem, "cannot be written"),
        (errno.EACCES, "/home/me/secret", PermissionError, "secret"),
    ],
)
def test_cache_that_cannot_be_written_is_the_environments(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    place: str,
    kind: type[Exception],
    said: str,
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / place))

    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path))
    monkeypatch.setattr(Builder, "build", fail)
    with pytest.raises(kind, match=said):
        SourceKernels(tmp_path).build(KernelRequest(tree=tmp_path))


def test_fragment_of_the_user_is_the_last_group(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("CONFIG_HZ=250\n")
    groups = KernelRequest(fragments=[tmp_path / "mine"]).groups()
    assert groups[-1].options == {"HZ": "250"}
    assert groups[0].name == "base"


def test_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    assert run_app(["kernel", "build", "--flavour", "umll"]) == 2
    assert "there is no kernel flavour" in capsys.readouterr().err
    assert run_app(["kernel", "list"]) == 0
    assert "uml-san" in capsys.readouterr().out
    assert run_app(["kernel", "config", "--reasons", "--flavour", "uml-smp"]) == 0
    assert "several CPUs: what simulated time excludes" in capsys.readouterr().out
    assert run_app(["kernel", "prune", "--days", "-1"]) == 2
    assert run_app(["kernel", "prune", "--all"]) == 0
    assert "0 MB freed" in capsys.readouterr().out


def test_progress_is_reported_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[str] = []
    watch = reported(reports.append)
    watch(Progress(1, 9, "a.o"))
    assert reports == []
    monkeypatch.setattr("testbed.artifacts.source_kernels.REPORT_EVERY_S", 0.0)
    watch(Progress(2, 9, "b.o"))
    assert reports == ["2 of about 9: b.o"]
