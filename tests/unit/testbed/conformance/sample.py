# SPDX-License-Identifier: GPL-2.0-only
"""The face of the emulated card, as its script showed it once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from testbed.conformance.recording import Recording, load

FACE = Path(__file__).with_name("card.txt")
FIRMWARE = {
    "hwrm/VER_GET/error": "SUCCESS", "hwrm/VER_GET/dev_caps_cfg": "4108",
    "hwrm/VER_GET/hwrm_fw_major": "232", "hwrm/VER_GET/hwrm_fw_build": "1",
    "hwrm/VER_GET/mgmt_fw_major": "232", "hwrm/VER_GET/mgmt_fw_build": "1",
    "hwrm/VER_GET/max_req_win_len": "128", "hwrm/VER_GET/max_resp_len": "4096",
    "hwrm/VER_GET/max_ext_req_len": "512", "hwrm/VER_GET/max_req_timeout": "30",
    "hwrm/FUNC_BACKING_STORE_QCAPS/error": "SUCCESS",
}  # fmt: skip
"""A part of what the default card's firmware answers."""


@cache
def _shown() -> dict[str, str]:
    return load(FACE).values


def recording() -> Recording:
    """A fresh one, with some of the firmware's answers."""
    return Recording.of({**_shown(), **FIRMWARE})
