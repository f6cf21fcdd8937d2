# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.containment [--write]``, as root: try each jail on each kind of host.

Prints the table of docs/SECURITY.md, or writes it there. The jails are those of a run on QEMU with
a shared folder, of one on UML, and of a build, with Python and the program inside added.
"""

from __future__ import annotations

import os
import sys

from tests.containment.capture import captured
from tests.containment.host import KINDS, Host
from tests.containment.table import table, write


def main() -> None:
    """Print or write the table."""
    if os.getuid() != 0:
        sys.exit("other kinds of hosts are imitated by root only")
    jails = captured()
    with Host() as host:
        inside = {
            kind: {name: host.reached(kind, spec) for name, spec in jails.items()} for kind in KINDS
        }
        text = table(host.without_jail(), inside)
    if "--write" in sys.argv[1:]:
        write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
