# SPDX-License-Identifier: GPL-2.0-only
"""All mutations. The table of docs/suite-mutations.md is made of this one:

``python -m tests.kernel_mutations.table``. Each feature has a module of its own beside this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from testbed.engines.open import engine_named
from tests.kernel_mutations.devmem.table import DEVMEM
from tests.kernel_mutations.mutation import Mutation
from tests.kernel_mutations.page_pool.table import PAGE_POOL
from tests.kernel_mutations.send_zc.table import SEND_ZC
from tests.kernel_mutations.zcrx.table import ZCRX

MUTATIONS: Sequence[Mutation] = (*ZCRX, *PAGE_POOL, *SEND_ZC, *DEVMEM)


def rows() -> Iterator[str]:
    """Lines of the table in docs/suite-mutations.md."""
    yield "| feature | mutation | what it does | caught by | on |"
    yield "|---|---|---|---|---|"
    for one in MUTATIONS:
        cells = [
            one.feature,
            f"[{one.name}](../tests/kernel_mutations/{one.feature}/{one.patch.name})",
            one.title,
            ", ".join(f"`{test}`" for test in one.caught_by),
            one.flavour if engine_named(one.engine).flavours else one.engine,
        ]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n".join(rows()))
