# SPDX-License-Identifier: GPL-2.0-only
"""Unix sockets at paths of the user's, for the guest's side, the wire and the control channel."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

from devmodel.config import ConfigError

LONGEST_PATH = 107
"""Bytes (struct sockaddr_un)."""


def listen_at(path: Path) -> socket.socket:
    """Listen at ``path``, which only its owner can connect to.

    The folder must be the user's, and nobody else's to write to. What was left there by a card
    that is gone is replaced. Raises ConfigError, which says what is in the way.
    """
    path = path.absolute()
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError(f"{path}: longer than a socket's path can be ({LONGEST_PATH} bytes)")
    _check_folder(path.parent)
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(4)
    except OSError as e:
        listener.close()
        raise ConfigError(f"{path}: cannot listen there: {e.strerror}") from e
    finally:
        os.umask(mask)
    return listener


def _check_folder(folder: Path) -> None:
    try:
        found = folder.stat()
    except OSError as e:
        raise ConfigError(f"{folder}: no folder for a socket: {e.strerror}") from e
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"{folder}: not a folder")
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{folder}: others may write to this folder, or it is not yours; "
            "a card's sockets need one of your own (mkdir -m 700 FOLDER)"
        )


def _make_room(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as e:
        raise ConfigError(f"{path}: {e.strerror}") from e
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"{path}: is there already, and is no socket")
    if _is_served(path):
        raise ConfigError(f"{path}: somebody listens there already")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # its queue may be full, which is a yes
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            pass
        return True
