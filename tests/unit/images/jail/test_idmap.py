# SPDX-License-Identifier: GPL-2.0-only
"""A folder of one user that a jailed program of another has as its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from images.command import run
from images.jail.host import STANDARD_DEVICES, STANDARD_LINKS
from images.jail.idmap import can_map_owner
from images.jail.spec import JailSpec
from images.jail.start import command
from images.jail.user import draw_uid

OWNER = 61001


@pytest.mark.parametrize("owner", [0, OWNER])
def test_files_of_the_owner_are_the_program_s_own(tmp_path: Path, owner: int) -> None:
    if os.getuid() != 0 or not can_map_owner(str(tmp_path)):
        pytest.skip("requires root and a file system with idmapped mounts")
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    for name, uid in (("own", owner), ("other", owner + 1)):
        (folder / name).write_text(name)
        (folder / name).chmod(0o600)
        os.chown(folder / name, uid, uid)
    os.chown(folder, owner, owner)
    spec = JailSpec(
        filter="build", parent=os.getpid(), uid=draw_uid(), read={"/usr": "/usr"},
        write={"/work": str(folder)}, owned=["/work"], devices=STANDARD_DEVICES, umask=0o022,
        links={**STANDARD_LINKS, **{f"/{name}": f"usr/{name}" for name in ("bin", "lib", "lib64")}},
    )  # fmt: skip
    script = "cd /work; cat own; cat other 2>/dev/null || echo; echo > made; stat -c %U own other"
    said = run(command(spec, ["/bin/sh", "-c", script])).split()
    assert said == ["own", "UNKNOWN", "UNKNOWN"]
    assert (folder / "made").stat().st_uid == owner
    assert (folder / "other").stat().st_uid == owner + 1
