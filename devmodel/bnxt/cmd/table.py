# SPDX-License-Identifier: GPL-2.0-only
"""How a command finds its handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from devmodel.bnxt.firmware import Firmware
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import HwrmInput, HwrmOutput

RequestT = TypeVar("RequestT", bound=HwrmInput)


@dataclass(frozen=True, slots=True)
class Command:
    """A command the card carries out.

    :ivar handler: takes the decoded request and returns the response without its header; raises
        HwrmError to refuse.
    """

    request: type[HwrmInput]
    handler: Callable[[Firmware, Any], HwrmOutput]


class CommandTable(dict[int, Command]):
    """Command code -> command, of one group."""

    def handles(
        self, cmd: Cmd, request: type[RequestT]
    ) -> Callable[
        [Callable[[Firmware, RequestT], HwrmOutput]], Callable[[Firmware, RequestT], HwrmOutput]
    ]:
        """Decorator: the function carries out ``cmd``."""

        def register(
            handler: Callable[[Firmware, RequestT], HwrmOutput],
        ) -> Callable[[Firmware, RequestT], HwrmOutput]:
            self[cmd] = Command(request, handler)
            return handler

        return register
