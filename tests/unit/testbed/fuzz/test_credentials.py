# SPDX-License-Identifier: GPL-2.0-only
"""Who may work for a campaign, and who may not even speak to it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client
from distributed.security import Security

from testbed.errors import ConfigProblem, EnvironmentProblem
from testbed.fuzz.credentials import FILE_NAME, Invitation, new_security, read_invitation
from testbed.fuzz.workers import DaskPool, ExecutorSpec
from tests.unit.testbed.fuzz.simulated import SimulatedExecutor

SHORT_S = 3


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskPool]:
    """A cluster of one process."""
    spec = ExecutorSpec(factory=SimulatedExecutor, flavour="uml")
    folder = tmp_path_factory.mktemp("campaign") / "workers"
    one = DaskPool(spec, campaign="c", workers=1, folder=folder)
    yield one
    one.close()
    assert not (folder.parent / FILE_NAME).exists()


def test_an_invitation_is_for_its_owner_only(tmp_path: Path) -> None:
    security = new_security()
    invitation = Invitation.of("tls://192.0.2.7:1", security)
    path = tmp_path / FILE_NAME
    path.write_text("of an earlier campaign")
    path.chmod(0o666)
    invitation.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = read_invitation(path)
    assert again == invitation
    for role in ("client", "scheduler", "worker"):
        shown = security.get_tls_config_for_role(role)
        assert again.security.get_tls_config_for_role(role) == shown


def test_an_invitation_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    invitation = Invitation(address="tls://192.0.2.7:1", certificate="c", key="k")
    with pytest.raises(EnvironmentProblem, match=r"none/key\.json cannot be written: No such file"):
        invitation.write(tmp_path / "none" / FILE_NAME)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ('{"address": "tls://192.0.2.7:1", "certificate": "c"}', "key: is missing"),
        ('{"address": "", "certificate": "c", "key": "k"}', "address"),
    ],
)
def test_a_file_that_is_no_invitation_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(text)
    with pytest.raises(ConfigProblem, match=said):
        read_invitation(path)


def test_whoever_has_the_key_is_let_in(pool: DaskPool) -> None:
    assert pool.invitation is not None
    invitation = read_invitation(pool.invitation)
    with Client(invitation.address, security=invitation.security, set_as_default=False) as client:
        assert len(client.nthreads()) == 1


@pytest.mark.parametrize(
    ("stranger", "said"),
    [("no key", "Connection reset|Timed out"), ("another key", "TLS certificate does not match")],
)
def test_strangers_of_this_host_are_not(pool: DaskPool, stranger: str, said: str) -> None:
    """Without a key, or with one of one's own making."""
    address = pool.address
    assert address.startswith("tls://127.0.0.1:")
    security: Security | None = new_security()
    if stranger == "no key":
        address, security = address.replace("tls://", "tcp://"), None
    with pytest.raises(OSError, match=said):
        Client(address, security=security, timeout=SHORT_S, set_as_default=False)
