# SPDX-License-Identifier: GPL-2.0-only
"""Package indexes that apt fetched, compared with what the archive signed each time they are used.

apt checks the signature when it fetches them, and never again; a day long they would bless any
package. Format: https://wiki.debian.org/DebianRepository/Format.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from images.command import search_path
from images.fingerprint import file_sha256

RELEASE_TIMEOUT_S = 30.0


def wrong_index(lists: Path, suite: str, index: str, keyring: Path) -> Path | None:
    """A file of `suite` in apt's folder `lists` that is not what was signed; None if all is.

    `index` is the path of the package index as the signed file has it. Without gpgv (Debian 13 has
    sqv for apt) only the comparison of the index with the signed file is left.
    """
    mark = f"_dists_{suite}_"
    release = next(iter(lists.glob(f"*{mark}InRelease")), None)
    packages = next(iter(lists.glob(f"*{mark}{index.replace('/', '_')}")), None)
    if packages is None:
        return None
    if release is None:
        return packages
    text = signed_text(release, keyring)
    if text is None:
        return release
    return None if file_sha256(packages) == _recorded(text, index) else packages


def signed_text(release: Path, keyring: Path) -> str | None:
    """What a clear-signed file says under a good signature by a key of `keyring`; None without."""
    gpgv = shutil.which("gpgv", path=search_path())
    if gpgv is None:
        return release.read_text(errors="replace")
    done = subprocess.run(
        [gpgv, "--quiet", "--keyring", str(keyring), "--output", "-", str(release)],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=RELEASE_TIMEOUT_S,
    )  # fmt: skip
    return None if done.returncode else done.stdout.decode(errors="replace")


def _recorded(text: str, index: str) -> str | None:
    """The SHA-256 of a file in the text of a Release file."""
    _, _, sums = text.partition("\nSHA256:\n")
    for line in sums.splitlines():
        if not line.startswith(" "):
            break
        digest, _size, name = line.split()
        if name == index:
            return digest
    return None
