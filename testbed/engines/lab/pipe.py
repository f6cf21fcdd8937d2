# SPDX-License-Identifier: GPL-2.0-only
"""``python -I -S pipe.py SOCKET``: standard input and output joined to a Unix socket.

OpenSSH's ProxyCommand for a machine that is reached through one.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys

CHUNK_BYTES = 1 << 16
STDIN, STDOUT = 0, 1


def join(connection: socket.socket) -> None:
    """Carry bytes both ways until the socket's end; ours is passed on."""
    with selectors.DefaultSelector() as selector:
        selector.register(STDIN, selectors.EVENT_READ)
        selector.register(connection, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == STDIN:
                    data = os.read(STDIN, CHUNK_BYTES)
                    if data:
                        connection.sendall(data)
                    else:
                        selector.unregister(STDIN)
                        connection.shutdown(socket.SHUT_WR)
                    continue
                data = connection.recv(CHUNK_BYTES)
                if not data:
                    return
                while data:
                    data = data[os.write(STDOUT, data) :]


def main(path: str) -> int:
    """Connect to ``path`` and join; 1 if that fails."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            join(connection)
    except OSError as err:
        print(f"{path}: {err.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
