# SPDX-License-Identifier: GPL-2.0-only
"""vhost-user messages, virtqueues and PCI accesses of any content: refused or carried out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from devmodel.errors import ProtocolError
from devmodel.vhost_user.agent_port import MAX_MESSAGE_BYTES
from devmodel.vhost_user.nic import PeerNic
from tests.protocol.hostile import uml_guest
from tests.protocol.hostile.uml_guest import Step, UmlGuest


def check_bounds(guest: UmlGuest) -> None:
    """Nothing the devices keep has outgrown its limit."""
    agent, peer = guest.machine.agent, guest.cable.stream
    assert agent is not None
    assert isinstance(peer, PeerNic)
    assert len(agent._control) <= 64
    assert len(agent._from_guest) <= MAX_MESSAGE_BYTES + 4
    assert len(peer._waiting) <= PeerNic.LIMIT_FRAMES
    assert len(guest.clock._heap) <= 4096


@settings(max_examples=settings.default.max_examples * 5)
@given(program=st.lists(uml_guest.steps, min_size=1, max_size=12), turns=st.booleans())
def test_any_traffic(program: list[Step], turns: bool) -> None:
    """Nothing raises but the loss of framing, which ends one connection."""
    guest = UmlGuest(turns=turns)
    try:
        for call, *arguments in program:
            try:
                call(guest, *arguments)
            except ProtocolError:
                guest.lost.add(arguments[0])
            check_bounds(guest)
    finally:
        guest.close()
