# SPDX-License-Identifier: GPL-2.0-only
"""The wheel, installed where no clone is: it holds everything, and its programs run the main job.

No network is used but what ``./tb run`` itself may need: the environment is virtualenv's, with its
own pip, and sees the locked run-time packages of ``./tb run``, not those of the tests.
"""

from __future__ import annotations

import json
import os
import runpy
import stat
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from images.store import cache_root
from testbed import ROOT, __version__

FOLDERS = ("devmodel", "docs", "images", "kernels", "testbed", "tests/suite")
ENTRY_POINTS = "testbed/cli/installed.py"
"""In the wheel it is ``bnxt_testbed/__init__.py``."""
BESIDE = {"pyproject.toml", "tests/conftest.py", "tests/hypothesis_profiles.py"}
"""What pytest needs to run the suite."""


def run(
    words: Sequence[str | Path], cwd: Path, umask: int = 0o022
) -> subprocess.CompletedProcess[str]:
    """Run a program that cannot know the clone; it must end well. Returns what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        words, cwd=cwd, env=environment, umask=umask, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done


def build(kind: str, source: Path, target: Path) -> Path:
    """Build ``sdist`` or ``wheel`` from a source tree; the one file that is then in ``target``."""
    run([sys.executable, "-P", "-m", "hatchling", "build", "-t", kind, "-d", target], source)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment in which the wheel is installed."""
    environment = tmp_path_factory.mktemp("installed")
    words = ["-P", "-m", "virtualenv", "--no-download", "--no-periodic-update"]
    run([sys.executable, *words, environment], environment)
    tb = runpy.run_path(str(ROOT / "tb"))
    locked = tb["ensure_environment"](tb["RUN_LOCK"], cache_root())
    (dependencies,) = locked.glob("lib/python*/site-packages")
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "locked.pth").write_text(f"{dependencies}\n")
    run([environment / "bin/pip", "install", "--no-index", wheel], environment)
    return environment / "bin"


def test_wheel_holds_every_file_under_one_name(wheel: Path) -> None:
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *FOLDERS]
    listed = {name for name in run(words, ROOT).stdout.split("\0") if (ROOT / name).is_file()}
    with zipfile.ZipFile(wheel) as archive:
        modes = {
            info.filename: info.external_attr >> 16
            for info in archive.infolist()
            if not info.filename.startswith(f"bnxt_testbed-{__version__}.dist-info/")
        }
        wanted = {f"bnxt_testbed/{name}": name for name in listed | BESIDE}
        wanted["bnxt_testbed/__init__.py"] = wanted.pop(f"bnxt_testbed/{ENTRY_POINTS}")
        assert modes.keys() == wanted.keys()
        for packed, name in wanted.items():
            assert archive.read(packed) == (ROOT / name).read_bytes(), name
            is_program = bool((ROOT / name).stat().st_mode & stat.S_IXUSR)
            assert bool(modes[packed] & stat.S_IXUSR) == is_program, name


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_link_is_expected_of_the_wheel(folder: str) -> None:
    assert [path for path in (ROOT / folder).rglob("*") if path.is_symlink()] == []


def test_source_distribution_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    source = build("sdist", ROOT, tmp_path / "sdist")
    run(["tar", "xf", source], tmp_path)
    (tree,) = tmp_path.glob("bnxt_testbed-*/")
    assert build("wheel", tree, tmp_path / "wheel").read_bytes() == wheel.read_bytes()


def test_changelog_tells_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{__version__}]" in text


def test_card_tells_how_it_is_started(programs: Path, tmp_path: Path) -> None:
    assert "--config-fd" in run([programs / "bnxt-devmodel", "--help"], tmp_path).stdout


@pytest.mark.parametrize("engine", ["uml", pytest.param("qemu", marks=pytest.mark.nightly)])
def test_main_job_passes(programs: Path, tmp_path: Path, engine: str) -> None:
    """Even where environment, working folder and umask are private to us."""
    run([programs / "testbed", "run", "--engine", engine, "--seed", "1"], tmp_path, umask=0o077)
    summary = json.loads((tmp_path / "runs/latest/summary.json").read_text(encoding="utf-8"))
    assert summary["provenance"]["testbed version"] == __version__
    assert summary["provenance"]["repository commit"] is None


def test_suite_runs(programs: Path, tmp_path: Path) -> None:
    run([programs / "testbed", "matrix", "--kernels", "uml:7.2", "--suite", "rings"], tmp_path)
    page = json.loads((tmp_path / "runs/latest/matrix.json").read_text(encoding="utf-8"))
    assert [kernel["verdict"] for kernel in page["kernels"]] == ["ran"]
