# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.jobs [RESULTS]``: put results on record, and write the tables of documents.

RESULTS is a folder with JUnit files named after jobs, ``.tox/results`` after `./tb test`. Of parts
of jobs, ``--caught`` takes only the seeded bugs that were caught. With ``--promises`` it only
prints which promise was last shown to be tested, with ``--failed`` what failed of some jobs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.jobs.record import load, save, update, update_caught
from tests.jobs.results import failures, read_results
from tests.jobs.tables import SHOWN, caught, with_table


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.jobs", description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", metavar="RESULTS")
    parser.add_argument("--promises", action="store_true", help="print that table, write nothing")
    parser.add_argument(
        "--failed", metavar="JOB,JOB,...", help="print what failed of these, write nothing"
    )
    parser.add_argument("--caught", action="store_true", help="RESULTS are parts of jobs")
    given = parser.parse_args()
    runs = read_results(given.results) if given.results is not None else []
    if given.failed is not None:
        if given.results is None:
            parser.error("--failed: of which RESULTS?")
        print("\n".join(failures(runs, given.failed.split(","))))
        return
    record = load()
    if given.results is not None:
        if not runs and not given.promises:
            parser.error(f"{given.results} has no JUnit file (*.xml)")
        (update_caught if given.caught else update)(record, runs)
    if given.promises:
        print("\n".join(caught(record)))
        return
    save(record)
    for document, name, table in SHOWN:
        text = document.read_text(encoding="utf-8")
        document.write_text(with_table(text, name, table(record)), encoding="utf-8")


if __name__ == "__main__":
    main()
