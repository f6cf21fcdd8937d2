# SPDX-License-Identifier: GPL-2.0-only
"""All seeded bugs. The table of docs/seeded-bugs.md is made of this one:

``python -m tests.seeded.table`` writes it. Each area has a module of its own in its folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from testbed import ROOT
from testbed.engines.open import engine_named
from tests.seeded.devmem.table import DEVMEM
from tests.seeded.driver.table import DRIVER
from tests.seeded.page_pool.table import PAGE_POOL
from tests.seeded.record import Seeded
from tests.seeded.sanitizers.table import SANITIZERS
from tests.seeded.send_zc.table import SEND_ZC
from tests.seeded.zcrx.table import ZCRX

DOCUMENT = ROOT / "docs" / "seeded-bugs.md"
SEEDED: Sequence[Seeded] = (*DRIVER, *SANITIZERS, *PAGE_POOL, *ZCRX, *SEND_ZC, *DEVMEM)


def rows() -> Iterator[str]:
    """Lines of the table in docs/seeded-bugs.md."""
    yield "| area | bug | what it does | promise | caught by | what else sees it | on |"
    yield "|---|---|---|---|---|---|---|"
    for bug in SEEDED:
        cells = [
            bug.area, f"[{bug.name}](../tests/seeded/{bug.area}/{bug.patch.name})", bug.title,
            bug.promise, str(bug.caught_by), bug.caught_by.others,
            bug.flavour if engine_named(bug.engine).flavours else bug.engine,
        ]  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def document(text: str) -> str:
    """The text of docs/seeded-bugs.md with the table, its first, as it is now."""
    table = "".join(f"{row}\n" for row in rows())
    return re.sub(r"(^\|.*\n)+", lambda _old: table, text, count=1, flags=re.MULTILINE)


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
