# SPDX-License-Identifier: GPL-2.0-only
"""The table of docs/SECURITY.md has the attempts and hosts there are, and says what must be."""

from __future__ import annotations

from tests.containment.host import KINDS, LESS
from tests.containment.inside import ATTEMPTS
from tests.containment.table import JAILS, NOTHING, table, written

KNOWN_GAPS = {"Unix socket of the host, by path", "write into /dev/shm of the host"}
"""Of a weaker jail, named in the text above the table."""


def test_table_has_each_attempt_and_host() -> None:
    rows = written()
    assert rows[0] == ["attempt", "no jail", *KINDS.values()]
    assert [row[0] for row in rows[2:]] == list(ATTEMPTS)


def test_full_jail_lets_nothing_pass() -> None:
    for row in written()[2:]:
        cells = dict(zip(KINDS, row[2:], strict=True))
        assert [cells[kind] for kind in KINDS if kind not in LESS] == [NOTHING] * 2, row[0]
        assert all(cells[kind] == NOTHING for kind in LESS) or row[0] in KNOWN_GAPS


def test_what_is_reached_names_the_jail() -> None:
    tried = {"one": "reached", "other": "EPERM"}
    nothing = {"one": "EPERM", "other": "EPERM"}
    inside = {kind: dict.fromkeys(JAILS, nothing) for kind in KINDS}
    inside["user"]["uml"] = tried
    rows = table(tried, inside).splitlines()
    assert rows[2] == "| one | yes | no | UML | no | no |"
    assert rows[3] == "| other | no | no | no | no | no |"
