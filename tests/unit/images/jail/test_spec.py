# SPDX-License-Identifier: GPL-2.0-only
"""The jail's specification survives its way through a command line."""

from __future__ import annotations

import pytest

from images.jail.spec import JailSpec, parse

FULL = JailSpec(
    filter="uml", parent=7, uid=61234, cwd="/tmp/a=b c", groups=[3, 4], names=["/n"],
    weaker=True, umask=0o22, core=0, owned=["/z:1"],
    read={"/x y": "/read"}, write={"/z:1": "/write"}, memory={"/tmp": 1 << 20},
    devices=["/dev/null", "/dev/kvm"], links={"/lib": "usr/lib"},
    limits={"CPU": 5, "FSIZE": 1 << 40},
)  # fmt: skip


@pytest.mark.parametrize("spec", [JailSpec(filter="program", parent=1), FULL])
def test_words_say_all(spec: JailSpec) -> None:
    assert vars(parse(spec.words())) == vars(spec)
