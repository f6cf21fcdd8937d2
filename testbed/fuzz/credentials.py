# SPDX-License-Identifier: GPL-2.0-only
"""Who may speak to the processes of a campaign: whoever has its key, by TLS both ways.

They hand each other pickled objects, and a campaign is often root's: without a key any user of the
host could have them run anything.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen
from distributed.security import Security

from testbed.errors import EnvironmentProblem
from testbed.schema import read_json, read_text

FILE_NAME = "key.json"


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """What another machine needs to work for a campaign: a file of its own, for its owner only.

    :ivar address: of the scheduler, such as tls://192.0.2.7:8786.
    :ivar certificate: of all processes of the campaign, which trust no other; PEM.
    :ivar key: the private one that belongs to it; PEM.
    """

    address: Annotated[str, MinLen(1)]
    certificate: Annotated[str, MinLen(1)]
    key: Annotated[str, MinLen(1)]

    @classmethod
    def of(cls, address: str, security: Security) -> Invitation:
        """To the campaign whose processes have ``security``."""
        shown = security.get_tls_config_for_role("scheduler")
        return cls(address=address, certificate=shown["cert"], key=shown["key"])

    @property
    def security(self) -> Security:
        """What a worker shows, and asks for."""
        pair = {"cert": self.certificate, "key": self.key}
        roles = ("client", "scheduler", "worker")
        return Security(
            require_encryption=True, tls_ca_file=self.certificate,
            **{f"tls_{role}_{what}": text for role in roles for what, text in pair.items()},
        )  # fmt: skip

    def write(self, path: Path) -> None:
        """For nobody but the owner to read. Raises EnvironmentProblem."""
        try:
            path.unlink(missing_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                json.dump(vars(self), file)
        except OSError as err:
            raise EnvironmentProblem(f"{path} cannot be written: {err.strerror}") from err


def new_security() -> Security:
    """A key that nobody else has."""
    security: Security = Security.temporary()
    return security


def read_invitation(path: Path) -> Invitation:
    """Read what :meth:`Invitation.write` wrote. Raises ConfigProblem."""
    return read_json(Invitation, path, read_text(path))
