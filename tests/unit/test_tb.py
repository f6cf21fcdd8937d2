# SPDX-License-Identifier: GPL-2.0-only
"""`./tb`: an environment is made once, whole, and made again when it is not as it was."""

from __future__ import annotations

import fcntl
import importlib.machinery
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from images.errors import EnvironmentProblem
from tests.unit.read_only import read_only

TB = Path(__file__).resolve().parents[2] / "tb"
COMPILED = "__pycache__/module.pyc"
INTERRUPTS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@pytest.fixture
def tb(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("tb", str(TB))
    spec = importlib.util.spec_from_loader("tb", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class Installer:
    """Stands in for pip: fills an environment with a module and its byte code."""

    def __init__(self) -> None:
        self.calls = 0
        self.delay_s = 0.0

    def __call__(self, environment: Path, _lock: Path, _cache: Path) -> None:
        self.calls += 1
        time.sleep(self.delay_s)
        shutil.rmtree(environment, ignore_errors=True)
        (environment / "bin").mkdir(parents=True)
        (environment / "bin/python").write_text("python")
        (environment / "lib" / COMPILED).parent.mkdir(parents=True)
        (environment / "lib" / COMPILED).write_text("byte code")
        (environment / "lib/module.py").write_text("code")


@pytest.fixture
def install(tb: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Installer:
    installer = Installer()
    monkeypatch.setattr(tb, "install", installer)
    return installer


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text("a==1\n")
    return path


def test_environment_is_made_once(tb: Any, install: Installer, lock: Path, tmp_path: Path) -> None:
    first = tb.ensure_environment(lock, tmp_path)
    assert tb.ensure_environment(lock, tmp_path) == first
    assert install.calls == 1


def test_other_lock_is_another_environment(
    tb: Any, install: Installer, lock: Path, tmp_path: Path
) -> None:
    first = tb.ensure_environment(lock, tmp_path)
    lock.write_text("a==2\n")
    assert tb.ensure_environment(lock, tmp_path) != first
    assert install.calls == 2


def overwrite_keeping_times(path: Path, text: str) -> None:
    info = path.stat()
    path.write_text(text)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "lost": lambda lib: (lib / "module.py").unlink(),
    "changed": lambda lib: (lib / "module.py").write_text("edocode"),
    "changed, of the same size and times": lambda lib: overwrite_keeping_times(
        lib / "module.py", "edoc"
    ),
    "added": lambda lib: (lib / "more.py").touch(),
    "byte code changed": lambda lib: (lib / COMPILED).write_text("byte edoc"),
    "byte code changed, of the same size and times": lambda lib: overwrite_keeping_times(
        lib / COMPILED, "byte edoc"
    ),
    "byte code lost": lambda lib: (lib / COMPILED).unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_changed_environment_is_made_again(
    tb: Any, install: Installer, lock: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    change(tb.ensure_environment(lock, tmp_path) / "lib")
    for _ in range(2):
        environment = tb.ensure_environment(lock, tmp_path)
        assert install.calls == 2
    assert (environment / "lib/module.py").read_text() == "code"
    assert (environment / "lib" / COMPILED).read_text() == "byte code"
    assert not (environment / "lib/more.py").exists()


def test_byte_code_that_was_not_installed_is_dropped(
    tb: Any, install: Installer, lock: Path, tmp_path: Path
) -> None:
    added = tb.ensure_environment(lock, tmp_path) / "lib" / COMPILED.replace(".pyc", "-pytest.pyc")
    added.write_text("compiled since, or put there")
    tb.ensure_environment(lock, tmp_path)
    assert not added.exists()
    assert install.calls == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"stamp": 1, "files": []}', "[" * 100_000]
)
def test_damaged_record_is_made_again(
    tb: Any, install: Installer, lock: Path, tmp_path: Path, text: str
) -> None:
    environment = tb.ensure_environment(lock, tmp_path)
    environment.with_name(f"{environment.name}.complete").write_text(text)
    tb.ensure_environment(lock, tmp_path)
    tb.ensure_environment(lock, tmp_path)
    assert install.calls == 2


def test_copy_of_a_cache_is_compared_by_content(
    tb: Any, install: Installer, lock: Path, tmp_path: Path
) -> None:
    tb.ensure_environment(lock, tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    environment = tb.ensure_environment(lock, tmp_path / "second")
    assert install.calls == 1
    (environment / "lib/module.py").write_text("edoc")
    tb.ensure_environment(lock, tmp_path / "second")
    assert install.calls == 2


def test_read_only_cache(
    tb: Any, install: Installer, lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(tb.ensure_environment(lock, tmp_path).parents[1], tmp_path / "copy")

    with monkeypatch.context() as patch:
        read_only(patch)
        environment = tb.ensure_environment(lock, tmp_path / "copy")
    assert install.calls == 1
    (environment / "lib/module.py").unlink()
    with monkeypatch.context() as patch:
        read_only(patch)
        with pytest.raises(OSError, match="Read-only"):
            tb.ensure_environment(lock, tmp_path / "copy")
    assert "module.py is not as it was installed" in capsys.readouterr().err


def test_those_who_only_compare_do_not_wait(
    tb: Any,
    install: Installer,
    lock: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment = tb.ensure_environment(lock, tmp_path)
    with environment.with_name(f"{environment.name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert tb.ensure_environment(lock, tmp_path) == environment
    assert "waiting" not in capsys.readouterr().err


def test_interrupted_installation_starts_over(
    tb: Any, install: Installer, lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(environment: Path, lock: Path, cache: Path) -> None:
        install(environment, lock, cache)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tb, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tb.ensure_environment(lock, tmp_path)
    tb.ensure_environment(lock, tmp_path)
    assert install.calls == 2


def test_two_at_once_install_once(tb: Any, install: Installer, lock: Path, tmp_path: Path) -> None:
    install.delay_s = 0.2
    threads = [
        threading.Thread(target=tb.ensure_environment, args=(lock, tmp_path)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert install.calls == 1


@pytest.mark.parametrize(
    ("arguments", "module", "rest"),
    [
        (["run", "--seed", "1"], "testbed", ["run", "--seed", "1"]),
        (["test", "-e", "x"], "tox", None),
    ],
)
def test_arguments_reach_the_command(
    tb: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    module: str,
    rest: list[str] | None,
) -> None:
    seen: dict[str, Any] = {}

    def execve(path: str, argv: list[str], environ: dict[str, str]) -> None:
        seen.update(path=path, argv=argv, environ=environ)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr("signal.pthread_sigmask", lambda how, which: seen.update(blocked=which))
    tb.become(tmp_path, arguments)
    # whoever unblocks them, testbed.cli.entry, does so before anything large is imported
    assert seen.get("blocked") == (None if module == "tox" else INTERRUPTS)
    assert seen["argv"][:4] == [str(tmp_path / "bin/python"), "-P", "-m", module]
    assert seen["argv"][-2:] == arguments[-2:]
    if rest is not None:
        assert seen["argv"][4:] == rest
    assert seen["environ"]["PYTHONPATH"] == str(TB.parent)


@pytest.mark.parametrize(("free", "said"), [(10**6, "is full"), (10**10, None)])
def test_why_pip_failed(
    tb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, said: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("images.disk.free_bytes", lambda _path: free)
    if said is not None:
        with pytest.raises(EnvironmentProblem, match=said):
            tb.pip_failed(1, tmp_path)
        return
    with pytest.raises(SystemExit) as end:
        tb.pip_failed(1, tmp_path)
    assert end.value.code == 3
    assert "pip ended with 1" in capsys.readouterr().err


def test_early_interrupt_is_one_line(tmp_path: Path) -> None:
    """A Ctrl-C while modules are imported, which are found here first: but those in C, of which
    each build of Python has others of its own, are not."""
    (tmp_path / "hashlib.py").write_text("raise KeyboardInterrupt\n")
    done = subprocess.run(
        [sys.executable, str(TB), "run"], env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert done.stderr == "tb: interrupted\n"


def is_alive(pid: str) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_while_installing_ends_what_was_started(tmp_path: Path, number: int) -> None:
    pip = f"#!/bin/sh\necho $$\nkill -{int(number)} $PPID\nexec sleep 60\n"
    script = f"""
import importlib.machinery, pathlib, venv
tb = importlib.machinery.SourceFileLoader("tb", {str(TB)!r}).load_module()
def create(_builder, environment):
    python = environment / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text({pip!r})
    python.chmod(0o755)
venv.EnvBuilder.create = create
tb.bundled_pip = lambda: pathlib.Path("pip.whl")
tb.main()
"""
    done = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", script],
        env={**os.environ, "TESTBED_CACHE": str(tmp_path), "PYTHONPATH": str(TB.parent)},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 128 + number
    assert f"tb: interrupted by {signal.Signals(number).name}" in done.stderr
    assert "Traceback" not in done.stderr
    deadline = time.monotonic() + 5
    while is_alive(done.stdout.strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cache_that_cannot_be_written_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [sys.executable, str(TB), "run"],
        env={**os.environ, "TESTBED_CACHE": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "cannot be written" in done.stderr
    assert "TESTBED_CACHE" in done.stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("test -e unit", "dev"), ("run --iommu on", "run"),
        ("lab check --lab lab.toml", "run"), ("", "run"),
    ],
)  # fmt: skip
def test_only_test_gets_the_tools_of_the_tests(
    tb: Any, monkeypatch: pytest.MonkeyPatch, words: str, name: str
) -> None:
    seen: list[Path] = []
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setattr(tb, "ensure_environment", lambda lock, _cache: seen.append(lock))
    monkeypatch.setattr(tb, "become", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["tb", *words.split()])
    tb.main()
    assert [path.name for path in seen] == [f"requirements-{name}.lock"]
