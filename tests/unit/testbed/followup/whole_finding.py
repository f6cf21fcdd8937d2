# SPDX-License-Identifier: GPL-2.0-only
"""A made-up finding with everything that can be kept beside one."""

from __future__ import annotations

import lzma
from pathlib import Path

from testbed.findings.load import read_finding
from testbed.followup.dossier import Dossier, read_dossier

LOG = """\
[    0.000000] Linux version 7.2.12-testbed-uml-san (testbed@testbed) #1
[    1.000000] harmless
[    2.000000] ------------[ cut here ]------------
[    2.000000] WARNING: net/core/x.c:1 at other_function+0x1/0x2, CPU#0: a/1
[    2.000000] Call Trace:
[    2.000000]  other_function+0x1/0x2
[    2.000000] ---[ end trace 0000000000000000 ]---
[    3.000000] BUG: KASAN: slab-use-after-free in it_breaks+0x11/0x22
[    3.000000] Write of size 4 at addr 00000000 by task \x1b[31mevil/1
[    3.000000] Call Trace:
[    3.000000]  ? guessed_at+0x5/0x6
[    3.000000]  [<6004a24b>] it_breaks+0x11/0x22
[    3.000000]  <b>caller</b>+0x1/0x2
"""
PATCH = """\
From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001
From: A Developer <a@example.org>
Date: Sat, 21 Nov 2026 12:00:00 +0000
Subject: [PATCH] bnxt_en: Do not
 break

It breaks <script>. Now it does not.

Fixes: 123456789012 ("bnxt_en: Break")
Signed-off-by: A Developer <a@example.org>
---
 drivers/net/x.c | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/drivers/net/x.c b/drivers/net/x.c
index fae0ac7..c49dc33 100644
--- a/drivers/net/x.c
+++ b/drivers/net/x.c
@@ -1 +1 @@
-bad
+good
"""
FILE = """\
+++
id = "it-breaks"
title = "bnxt_en: it <breaks>"
status = "open"
first_seen = 2026-11-20
needs = "none"
trigger = "{trigger}"
impact = "use after free"
subsystem = "bnxt_en"
files = ["drivers/net/x.c"]
flavours = ["uml-san", "debian"]
tests = ["tests/suite/link"]
introduced = {{ version = "6.16", commit = "123456789012", subject = "bnxt_en: Break" }}

[[splat]]
sanitizer = "KASAN"
title = "slab-use-after-free in it_breaks"

[reproducer]
script = "reproduce.sh"
engine = "uml"
flavour = "uml-san"
deterministic = true

[[checked]]
kernel = "7.2.12"
flavour = "uml-san"
date = 2026-11-21
runs = 20
shown = 20

[[checked]]
kernel = "7.3-rc7"
flavour = "debian"
date = 2026-11-21
runs = 10
shown = 0

[[checked]]
kernel = "7.3-rc7"
flavour = "uml-san"
date = 2026-11-21
runs = 10
shown = 3
+++
# bnxt_en: it breaks

*Cause:* `it_breaks()` writes <i>too late</i>.

## In this testbed

./tb is ours.
"""
SCRIPT = "#!/bin/sh\necho '<img src=x>' secret-command\n"


def write(folder: Path, trigger: str = "root", log: str = LOG) -> Path:
    """The file of the finding and all beside it, below `folder`."""
    path = folder / "it-breaks.md"
    evidence = folder / "it-breaks/evidence/7.2.12-uml-san"
    evidence.mkdir(parents=True)
    path.write_text(FILE.format(trigger=trigger))
    (folder / "it-breaks/reproduce.sh").write_text(SCRIPT)
    (evidence / "kernel.log.xz").write_bytes(lzma.compress(log.encode()))
    (evidence / "run.toml").write_text('[kernel]\n"image sha256" = "abc"\n')
    fix = folder / "fixes/it-breaks"
    fix.mkdir(parents=True)
    (fix / "0001-bnxt_en-Do-not-break.patch").write_text(PATCH)
    return path


def dossier(folder: Path, trigger: str = "root") -> Dossier:
    """What is on record about it."""
    return read_dossier(read_finding(write(folder, trigger)), folder / "fixes")
