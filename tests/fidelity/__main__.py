# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.fidelity``: write docs/fidelity.md and docs/fidelity.json.

With ``--linux TREE --dpdk TREE --ipxe TREE`` the names that drivers use are read anew first. The
sources are on record as they are given behind the trees: ``--linux TREE=WHAT``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fidelity.drivers import read_drivers, record, recorded
from tests.fidelity.page import documents
from tests.fidelity.statement import problems, read_rows


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.fidelity", description=__doc__)
    names = ("linux", "dpdk", "ipxe")
    for name in names:
        parser.add_argument(f"--{name}", metavar="TREE=WHAT", help="a source tree, and its version")
    given = {name: text for name, text in vars(parser.parse_args()).items() if text}
    if given:
        if set(given) != set(names) or not all("=" in text for text in given.values()):
            parser.error(f"name all of {', '.join(names)}, each as TREE=WHAT")
        pairs = {name: text.split("=", 1) for name, text in given.items()}
        trees = {name: Path(tree) for name, (tree, _) in pairs.items()}
        record(read_drivers(trees, {name: what for name, (_, what) in pairs.items()}))
    wrong = list(problems(read_rows(), recorded()))
    if wrong:
        sys.exit("\n".join(wrong))
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
