# SPDX-License-Identifier: GPL-2.0-only
"""Starts jailed programs by :mod:`images.jail.ready`, and waits for them in the machine's loop."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from images.jail.ready import REQUEST_BYTES, REQUEST_FDS
from images.jail.start import ready_command

ANSWER_BYTES = 64
ANSWER_S = 60.0
"""It forks, and says so: a host that takes so long is not one to wait for."""
UNKNOWN_CODE = 255
"""Of a program whose end somebody else was told."""


class Started:
    """A child process, and what it writes; made and used in one loop.

    :ivar returncode: None while it runs; negative: the signal that ended it.
    """

    def __init__(self, pid: int, output: asyncio.StreamReader, pipe: asyncio.BaseTransport) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.output = output
        self._pipe = pipe
        self._ended = asyncio.get_running_loop().create_future()
        self._handle = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._handle, self._has_ended)

    def _has_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        try:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:  # somebody else has waited for it, a tracer say
            self.returncode = UNKNOWN_CODE
        self._ended.set_result(self.returncode)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        code: int = await asyncio.shield(self._ended)
        return code

    def let_go(self) -> None:
        """Of its output, which something else may still hold."""
        self._pipe.close()


class _Gone(BrokenPipeError):
    """It had been killed before it was asked."""


class Starter:
    """The process that forks them. It is a child of a thread that lives as long as we do: a jailed
    program ends with the thread that its parent's parent is. Raises OSError.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.settimeout(ANSWER_S)
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * REQUEST_BYTES)
        self._problem: OSError | None = None
        tried = threading.Event()
        threading.Thread(target=self._keep, args=(theirs, tried), daemon=True).start()
        tried.wait()
        if self._problem is not None:
            raise self._problem

    def _keep(self, theirs: socket.socket, tried: threading.Event) -> None:
        try:
            with theirs:
                process = subprocess.Popen(
                    ready_command(theirs.fileno()), pass_fds=[theirs.fileno()], cwd="/",
                    stdin=subprocess.DEVNULL, start_new_session=True,
                    env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                )  # fmt: skip
        except OSError as err:
            self._problem = err
            return
        else:
            self.pid = process.pid
        finally:
            tried.set()
        process.wait()

    def start(self, words: Sequence[str], env: Mapping[str, str], fds: Mapping[int, int]) -> int:
        """The process id of a child that enters the jail; ``fds``: number there -> descriptor here.

        Raises OSError.
        """
        request = json.dumps({"words": list(words), "env": dict(env), "fds": list(fds)}).encode()
        if len(request) > REQUEST_BYTES or len(fds) > REQUEST_FDS:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
        with self._lock:
            if self._door.fileno() < 0:  # who came before us waited in vain
                raise _Gone(errno.EPIPE, "what starts jailed programs is gone")
            try:
                socket.send_fds(self._door, [request], list(fds.values()))
                answer = self._door.recv(ANSWER_BYTES)
            except BrokenPipeError as err:
                raise _Gone(errno.EPIPE, "what starts jailed programs is gone") from err
            except TimeoutError as err:
                self._door.close()
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
                said = "what starts jailed programs did not answer"
                raise ConnectionResetError(errno.ETIMEDOUT, said) from err
        if not answer:
            raise ConnectionResetError(errno.ECONNRESET, "what starts jailed programs was killed")
        if (pid := int(answer)) < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid

    def close(self) -> None:
        """End it."""
        self._door.close()


class _Starters:
    """The starter of this process; another one if that was killed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a child of ours that is forked: it is not the child's."""
        self._lock = threading.Lock()
        self._starter: Starter | None = None

    def start(self, words: Sequence[str], env: Mapping[str, str], fds: Mapping[int, int]) -> int:
        """See :meth:`Starter.start`."""
        starter = self._get()
        try:
            return starter.start(words, env, fds)
        except _Gone:  # before it was asked: nobody has been started
            self.close(starter)
            return self._get().start(words, env, fds)
        except ConnectionResetError:
            self.close(starter)
            raise

    def _get(self) -> Starter:
        with self._lock:
            if self._starter is None:
                self._starter = Starter()
            return self._starter

    def close(self, only: Starter | None = None) -> None:
        """End it, if it is ``only``, or whichever there is; who asks next gets another."""
        with self._lock:
            if self._starter is None or only not in (None, self._starter):
                return
            self._starter.close()
            self._starter = None


_starters = _Starters()
close = _starters.close
"""End the process that starts jailed programs, if there is one; the next start makes another."""
os.register_at_fork(after_in_child=_starters.forget)


async def start(
    words: Sequence[str], *, env: Mapping[str, str], fds: Sequence[int], stdout: int | None = None
) -> Started:
    """Start a program in the jail that ``words`` (:func:`images.jail.start.enter_words`) describe.

    It has ``fds`` at their numbers. What it writes to standard error, and without ``stdout`` to
    standard output as well, is :attr:`Started.output`. Raises OSError.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        standard = {0: nothing, 1: writer if stdout is None else stdout, 2: writer}
        pid = _starters.start(words, env, {**standard, **{fd: fd for fd in fds}})
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(nothing)
        os.close(writer)
    return await watch(pid, reader)


async def watch(pid: int, reader: int) -> Started:
    """A child of ours and the descriptor of what it writes, which is closed with it."""
    output = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(output), os.fdopen(reader, "rb", buffering=0)
    )
    return Started(pid, output, pipe)
