# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.operations``: run every operation in a guest, write docs/operations.md.

``--page`` writes the page of the results on record, and runs nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from testbed.engines.open import build_options, new_session, prepare_run
from tests.operations.table import (
    PAGE,
    RESULTS,
    Results,
    Table,
    page,
    problems,
    read_results,
    read_table,
    results_of,
    to_do,
)

GUEST = Path(__file__).with_name("guest.sh")
PACKAGES = ("linuxptp", "pciutils")
TIMEOUT_S = 1800.0


def run(table: Table) -> Results:
    """Every operation, one after the other, in one guest of QEMU."""
    options = build_options({"engine": "qemu", "seed": 1, "packages": PACKAGES})
    options, prepared = prepare_run(options, lambda text: print(text, file=sys.stderr))
    operations = table.operations()
    with (
        tempfile.TemporaryDirectory() as folder,
        new_session(options, Path(folder), prepared) as session,
    ):
        session.dut.put(GUEST, "/tmp/operations.sh")
        words, asked = ["sh", "/tmp/operations.sh"], to_do(operations).encode()
        done = session.dut.run(words, input=asked, timeout_s=TIMEOUT_S)
        return results_of(operations, done.text, session.kernel_release)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.operations", description=__doc__)
    parser.add_argument("--page", action="store_true", help="write the page, run nothing")
    given = parser.parse_args()
    table = read_table()
    results = read_results() if given.page else run(table)
    RESULTS.write_text(results.text(), encoding="utf-8")
    wrong = list(problems(table, results))
    if wrong:
        sys.exit("\n".join(wrong))
    PAGE.write_text(page(table, results), encoding="utf-8")


if __name__ == "__main__":
    main()
