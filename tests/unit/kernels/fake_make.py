# SPDX-License-Identifier: GPL-2.0-only
"""A build root that is none, and a make that compiles a toy kernel: C files become capitals."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.buildroot import BuildRoot

MAKEFILE = "VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 12\n"
KCONFIG = "config NET\n\tbool\nconfig GONE_DEPS\n\tbool\n\tdepends on MISSING\n"

# $1: source, $2: build, $3: host folder; then the command. An object is made again when its source
# is younger, and a source with "#error" or "#wait" fails or hangs.
SCRIPT = """
source=$1 build=$2 host=$3; shift 3
cd "$build"
case "$*" in
gcc*) eval "set -- $1"; for word; do out=$word; done; : > "${out#/kernel/build/}"; exit 0 ;;
*allnoconfig*) grep -v -e VANISHED -e GONE_DEPS testbed.config > .config || :; exit 0 ;;
esac
echo "$*" > command
for file in "$source"/*.c; do
    name=$(basename "$file" .c)
    [ "$name.o" -nt "$file" ] && continue
    echo "  CC      $name.o"
    if grep -q '#wait' "$file"; then echo $$ > pid; sleep 60; fi
    if grep -q '#full' "$file"; then echo "cc1: fatal error: No space left on device"; exit 1; fi
    if grep -q '#kill' "$file"; then kill -KILL $$; fi
    if grep -n '#error' "$file"; then
        echo "/kernel/source/$name.c:1:2: error: #error no"
        echo "    1 | #error no"
        echo "  CC      other.o"
        echo "make[2]: *** [Makefile:1: $name.o] Error 1"
        exit 2
    fi
    tr a-z A-Z < "$file" > "$name.half"; mv "$name.half" "$name.o"
    : > ".$name.o.cmd"
done
mkdir -p include/config; echo 7.2.12-toy > include/config/kernel.release
[ -e vmlinux ] || echo "linked again"
: > vmlinux; cat ./*.o > linux; echo symbols > System.map
"""


@dataclass(frozen=True)
class FakeRoot(BuildRoot):
    """Runs SCRIPT on the host instead of make in a package tree."""

    @contextlib.contextmanager
    def entered(
        self, argv: Sequence[str], binds: Mapping[str, Path], folder: str = "/"
    ) -> Iterator[list[str]]:
        """As the real one, without a namespace."""
        places = [str(binds[f"/kernel/{name}"]) for name in ("source", "build", "host")]
        yield ["sh", "-euc", SCRIPT, "sh", *places, shlex.join(argv)]


def toy_kernel(folder: Path, **files: str) -> Path:
    """A source tree; `files`: names of C files without .c -> content."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "Kconfig").write_text(KCONFIG)
    for name, text in files.items():
        (folder / f"{name}.c").write_text(text + "\n")
    return folder
