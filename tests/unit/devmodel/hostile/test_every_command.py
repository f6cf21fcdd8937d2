# SPDX-License-Identifier: GPL-2.0-only
"""The machines of a hostile guest draw every command, and get as far as its last line.

A command whose drawn requests are all refused is not tried: what comes after the checks is not
reached. A new handler needs plausible members (``steps.PLAUSIBLE``), or a line here.
"""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import pytest

from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import Err, HwrmErrOutput, HwrmInput
from devmodel.bnxt.hwrm import COMMANDS
from devmodel.clock import Timing
from tests.hostile.acts import CODES, Acts
from tests.unit.devmodel.hostile import steps
from tests.unit.devmodel.hostile.guarded import CARDS, GuardedHost
from tests.unit.devmodel.hostile.steps import DESTRUCTIVE

DRAWS, ROUND, SEEDS = 500, 100, range(4)
REFUSED_ALWAYS = {
    Cmd.PORT_PHY_I2C_WRITE: "no byte of the modules can be written",
    Cmd.FW_LIVEPATCH: "there is no patch",
    Cmd.FW_SET_STRUCTURED_DATA: "wants a structure in memory, see test_queue.py",
    Cmd.FUNC_VF_CFG: "a virtual function sends it, see test_sriov.py",
    Cmd.EXEC_FWD_RESP: "wants a request that waits, see test_vf_channel.py",
    Cmd.REJECT_FWD_RESP: "wants a request that waits, see test_vf_channel.py",
    Cmd.FWD_RESP: "wants a request that waits, see test_vf_channel.py",
    Cmd.NVM_VERIFY_UPDATE: "wants a package in memory, see test_nvm.py",
}
TRIED = sorted(set(CODES) - set(REFUSED_ALWAYS))


class Answers:
    """Error codes of a host's answers to one command, in order."""

    def __init__(self, host: GuardedHost, code: int) -> None:
        self.codes: list[int] = []
        self._submit = host.submit
        self._request = COMMANDS[code].request
        host.submit = self.submit  # type: ignore[method-assign]

    def submit(self, request: HwrmInput, **more: Any) -> bytes:
        """As the host does."""
        answer = self._submit(request, **more)
        if type(request) is self._request and len(answer) >= HwrmErrOutput.SIZE:
            self.codes.append(HwrmErrOutput.unpack(answer).error_code)
        return answer


def succeeds(code: int) -> bool:
    """Whether one of many drawn requests is carried out, on one of the cards.

    In half of the tries all other commands come before, as what one needs may be made by others.
    """
    pair = next((pair for pair in steps.PAIRS if pair[1] == code), None)
    for nic, seed in product(CARDS, SEEDS):
        acts = Acts(GuardedHost(Timing.SYNCHRONOUS, nic), Random(f"{seed} {code}"))
        answers = Answers(acts.host, code)
        for number in range(DRAWS):
            if seed % 2 and number % ROUND == 0:
                for other in CODES:
                    steps.command(acts.host, other, acts.values(other), 0xFFFF)
            if pair is None:
                steps.command(acts.host, code, acts.values(code), 0xFFFF)
            else:
                steps.come_and_go(acts.host, pair[0], acts.values(pair[0]), *pair[1:])
            acts.host.end_step()
            if Err.SUCCESS in answers.codes:
                return True
    return False


def test_every_command_is_drawn() -> None:
    assert set(CODES) | set(DESTRUCTIVE) == set(COMMANDS)
    assert len(set(COMMANDS)) > 100


@pytest.mark.parametrize("code", TRIED, ids=lambda c: Cmd(c).name)
def test_a_drawn_request_is_carried_out(code: int) -> None:
    assert succeeds(code)


@pytest.mark.parametrize("code", REFUSED_ALWAYS, ids=lambda c: Cmd(c).name)
def test_what_is_listed_is_refused(code: int) -> None:
    assert not succeeds(code)
