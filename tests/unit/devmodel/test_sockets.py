# SPDX-License-Identifier: GPL-2.0-only
"""Sockets at paths of the user's: private ones, in a private folder, over nothing that is there."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from devmodel.config import ConfigError
from devmodel.sockets import listen_at


def test_only_the_owner_may_connect(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        tmp_path.chmod(0o755)
        with listen_at(tmp_path / "s"):
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
            assert os.umask(0) == 0, "the process's own umask is as it was"
    finally:
        os.umask(mask)


def test_what_a_card_that_is_gone_left_is_replaced(tmp_path: Path) -> None:
    listen_at(tmp_path / "s").close()
    with listen_at(tmp_path / "s"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))


def test_a_card_that_is_served_is_left_alone(tmp_path: Path) -> None:
    with listen_at(tmp_path / "s"):
        with pytest.raises(ConfigError, match="somebody listens there already"):
            listen_at(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))


def test_also_one_that_takes_nobody_at_the_moment(tmp_path: Path) -> None:
    waiting = []
    with listen_at(tmp_path / "s"):
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            try:
                client.connect(str(tmp_path / "s"))
            except BlockingIOError:
                break
        with pytest.raises(ConfigError, match="somebody listens there already"):
            listen_at(tmp_path / "s")
    for client in waiting:
        client.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "fifo"])
def test_what_is_no_socket_is_refused_and_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        listen_at(tmp_path / "elsewhere").close()
        path.symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(path)
    before = path.lstat()
    with pytest.raises(ConfigError, match="is no socket"):
        listen_at(path)
    assert path.lstat() == before


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o702])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match="others may write to this folder"):
        listen_at(tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_no_folder_and_no_room(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder for a socket: No such file"):
        listen_at(tmp_path / "none" / "s")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="not a folder"):
        listen_at(tmp_path / "file" / "s")
    with pytest.raises(ConfigError, match="longer than a socket's path can be"):
        listen_at(tmp_path / ("s" * 120))
