# SPDX-License-Identifier: GPL-2.0-only
"""A program of the user's, in the root of a container image: docs/own-program.md."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.driver.conftest import CommandLine

SCRIPT = """
PATH=/run; busybox cat /etc/of /etc/upper /share/mine; busybox ls /etc
echo "queue $ZCRX_QUEUE of $NETIF"; $REMOTE_RUN busybox ip -o link
busybox cat /root/pushed; echo changed >/etc/of && busybox cat /etc/of
"""
"""The image has no program at all: those of /run/busybox are there for any."""


def tar(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as made:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return target.getvalue()


def container(path: Path, *layers: bytes) -> str:
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Layers": names}]).encode()
    path.write_bytes(
        tar({"manifest.json": manifest, **dict(zip(names, layers, strict=True))})
    )  # fmt: skip
    return f"oci:{path}"


def test_command_in_a_containers_root(testbed: CommandLine) -> None:
    mine = testbed.folder / "mine"
    mine.mkdir()
    (mine / "mine").write_text("shared\n")
    (testbed.folder / "pushed").write_text("pushed\n")
    image = container(
        testbed.folder / "image.tar",
        tar({"etc/of": b"lower\n", "etc/gone": b""}),
        tar({"etc/upper": b"upper\n", "etc/.wh.gone": b""}),
    )
    done = testbed.run(
        *("exec", "--engine", "uml", "--seed", "1", "--zcrx", "--root", image),
        *("--share", str(mine), "--push", str(testbed.folder / "pushed")),
        *("--", "/run/busybox", "sh", "-euc", SCRIPT),
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert lines[:3] == ["lower", "upper", "shared"]
    assert {"of", "upper"} <= set(lines)
    assert "gone" not in lines
    assert "queue 3 of nut0" in lines
    assert any("peer0" in line for line in lines)
    assert lines[-2:] == ["pushed", "changed"]
    assert b"  ZCRX_PORT=8000\n" in done.stderr
    assert testbed.wait_clean() == []


SCREEN = """
mkdir -p /run/screen; screen -dmS two sh -c "ethtool -i nut0 >/tmp/said; echo done >>/tmp/said; cat"
until grep -q done /tmp/said 2>/dev/null; do sleep 0.05; done
cat /tmp/said; screen -ls
"""


def test_a_second_terminal_by_screen(testbed: CommandLine) -> None:
    done = testbed.run(
        "shell", "--engine", "uml", "--seed", "1", "--with", "screen", given=SCREEN.encode()
    )
    assert b"driver: bnxt_en" in done.stdout, done.stderr
    assert b".two" in done.stdout
