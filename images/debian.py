# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages through a private apt: the host's is neither used nor changed.

The mirror is the one the host's own apt uses (or TESTBED_DEBIAN_MIRROR), proxy and TLS settings
are taken over from it, the suites are ours. apt checks the archive's signature, and so do we each
time an index is used (images.index); the SHA-256 of each package in the signed index is compared
here again before a package is unpacked.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from images.command import run
from images.disk import require_space
from images.errors import EnvironmentProblem
from images.fingerprint import file_sha256
from images.index import wrong_index
from images.store import Json, Report, quiet

BASE_SUITE = "trixie"
BACKPORTS = "trixie-backports"
SUITES = (BASE_SUITE, BACKPORTS, "sid", "experimental")
REQUIRED_SUITES = (BASE_SUITE, BACKPORTS)
ARCHITECTURE = "amd64"
INDEX = f"main/binary-{ARCHITECTURE}/Packages"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
HELPER = "/usr/lib/apt/apt-helper"
MIRROR_VARIABLE = "TESTBED_DEBIAN_MIRROR"
INDEX_FRESH_S = 24 * 3600.0
INDEX_BYTES = 250_000_000
"""Room for the indexes of all suites and apt's own caches of them."""
UPDATE_DEADLINE_S = 600.0
TELL_EVERY_S = 5.0

_PRINTED_URI = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """One version of one binary package as the signed index lists it; `size` in bytes."""

    name: str
    version: str
    sha256: str
    size: int
    depends: str = ""

    @property
    def file_name(self) -> str:
        """The name `apt-get download` gives the file, without the architecture."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_"

    def as_input(self) -> dict[str, Json]:
        """What identifies it as an input of something built from it."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


@dataclass(frozen=True)
class Selection:
    """Packages wanted, and which packages come from another suite than the base one.

    `pins`: suite -> apt_preferences(5) package patterns, e.g. {"trixie-backports": ["src:qemu"]}.
    """

    packages: Sequence[str]
    pins: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def preferences(self) -> str:
        """The text of an apt preferences file."""
        stanzas = [
            ("*", "sid", 50),
            ("*", "experimental", 10),
            *((" ".join(patterns), suite, 990) for suite, patterns in self.pins.items()),
        ]
        return "\n".join(
            f"Package: {packages}\nPin: release n={suite}\nPin-Priority: {priority}\n"
            for packages, suite, priority in stanzas
        )


def parse_stanzas(text: str) -> list[Package]:
    """The packages in the output of `apt-cache show`."""
    found = []
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", stanza, re.MULTILINE))
        if {"Package", "Version", "SHA256", "Size"} <= fields.keys():
            found.append(
                Package(
                    fields["Package"],
                    fields["Version"],
                    fields["SHA256"],
                    int(fields["Size"]),
                    fields.get("Depends", ""),
                )
            )
    return found


def parse_printed_uris(text: str) -> list[tuple[str, str]]:
    """(package, version) of each line of `apt-get --print-uris install`."""
    found = []
    for match in _PRINTED_URI.finditer(text):
        name, version, _architecture = match["file"].removesuffix(".deb").split("_")
        found.append((name, unquote(version)))
    return found


def choose_mirror(targets: str, codename: str) -> str | None:
    """The host's own Debian mirror out of `apt-get indextargets` lines `URI suite component`."""
    candidates = [
        words[0].rstrip("/")
        for words in (line.split() for line in targets.splitlines())
        if len(words) == 3 and words[1] in (codename, "stable", "testing", "sid", "unstable")
        if words[2] == "main"
    ]
    candidates.sort(key=lambda uri: not uri.endswith("/debian"))  # a stable sort: else as listed
    return candidates[0] if candidates else None


def host_mirror(environ: Mapping[str, str] = os.environ) -> str:
    """The Debian mirror to use. Raises EnvironmentProblem where the host names none."""
    if override := environ.get(MIRROR_VARIABLE):
        return override.rstrip("/")
    release = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    codename = release.get("VERSION_CODENAME", "").strip('"')
    targets = run(
        [
            *("apt-get", "indextargets", "--no-release-info"),
            *("--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"),
        ],
        remedy=f"This works on Debian; elsewhere install apt and set {MIRROR_VARIABLE}.",
    )
    mirror = choose_mirror(targets, codename)
    if mirror is None:
        raise EnvironmentProblem(
            "this host's apt configuration names no Debian mirror",
            f"Set {MIRROR_VARIABLE} to the base address of one.",
        )
    return mirror


class Archive:
    """The Debian archive as seen through a private apt whose state lies below `cache`."""

    def __init__(self, cache: Path, mirror: str | None = None, report: Report = quiet) -> None:
        self.mirror = mirror if mirror is not None else host_mirror()
        self._report = report
        self.folder = cache / "apt" / hashlib.sha256(self.mirror.encode()).hexdigest()[:12]
        self.debs = self.folder / "debs"
        self._environ = {"APT_CONFIG": str(self.folder / "apt.conf")}

    def refresh(self, max_age_s: float = INDEX_FRESH_S) -> None:
        """Have package indexes no older than that; with none at all and no mirror, raises."""
        stamp = self.folder / "updated"
        with self._lock():
            with contextlib.suppress(FileNotFoundError):
                age_s = time.time() - stamp.stat().st_mtime
                whole = not self._drop_wrong() and all(map(self._has_index, REQUIRED_SUITES))
                if whole and age_s < max_age_s:
                    if not self._is_configured():
                        self._configure()
                    return
            require_space(self.folder, INDEX_BYTES)
            self._configure()
            self._report("reading the Debian package indexes")
            try:
                run(
                    ["apt-get", "-q", "update"],
                    environ=self._environ,
                    cwd=self.folder,
                    timeout_s=UPDATE_DEADLINE_S,
                    remedy=f"Check the network, the proxy, or set {MIRROR_VARIABLE}.",
                )
            except EnvironmentProblem as problem:
                missing = [suite for suite in REQUIRED_SUITES if not self._has_index(suite)]
                if missing:
                    raise EnvironmentProblem(
                        f"no package index of {' and '.join(missing)} from {self.mirror}: "
                        f"{problem.message}",
                        problem.remedy,
                    ) from problem
                self._report("some package indexes could not be renewed; using those at hand")
            if wrong := self._drop_wrong():
                raise EnvironmentProblem(
                    f"not what the archive signed: {', '.join(wrong)} of {self.mirror}",
                    "The mirror or the path to it changes files; use another one.",
                )
            stamp.touch()

    def state(self) -> str:
        """Names the indexes at hand, read first if there are none: another name for newer ones."""
        if not any(map(self._has_index, SUITES)):
            self.refresh()
        signed = sorted((self.folder / "lists").glob("*InRelease"))
        text = b"".join(path.read_bytes() for path in signed)
        return hashlib.sha256(text).hexdigest()[:24]

    def resolve(self, selection: Selection) -> list[Package]:
        """The packages wanted and all they depend on, by apt's own solver, sorted by name."""
        self.refresh()
        text = selection.preferences()
        preferences = self.folder / f"preferences-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        preferences.write_text(text)
        printed = run(
            [
                *("apt-get", "-q", "-y", "--no-install-recommends", "--print-uris"),
                *("-o", f"Dir::Etc::preferences={preferences}"),
                *("install", *selection.packages),
            ],
            environ=self._environ,
            cwd=self.folder,
            remedy="`testbed cache prune --all` drops package indexes that are out of date.",
        )
        wanted = parse_printed_uris(printed)
        if not wanted:
            raise EnvironmentProblem(f"apt would install nothing for {selection.packages}")
        listed = {(package.name, package.version): package for package in self.show_exact(wanted)}
        return [listed[name_version] for name_version in sorted(wanted)]

    def show_exact(self, wanted: Sequence[tuple[str, str]]) -> list[Package]:
        """The index entries of these (package, version) pairs."""
        words = [f"{name}={version}" for name, version in wanted]
        return parse_stanzas(
            run(["apt-cache", "show", *words], environ=self._environ, cwd=self.folder)
        )

    def names(self) -> list[str]:
        """The name of every package of the indexes at hand."""
        return run(["apt-cache", "pkgnames"], environ=self._environ, cwd=self.folder).split()

    def list_matching(self, pattern: str) -> list[Package]:
        """Every version of every package whose whole name matches a regular expression."""
        self.refresh()
        matching = sorted(name for name in self.names() if re.fullmatch(pattern, name))
        if not matching:
            return []
        text = run(
            ["apt-cache", "show", "--all-versions", *matching],
            environ=self._environ,
            cwd=self.folder,
        )
        return parse_stanzas(text)

    def fetch(self, packages: Sequence[Package]) -> list[Path]:
        """The package files, downloaded where need be and compared with the signed index.

        What an interrupted download left is gone on with; what is wrong is fetched once more.
        """
        with self._lock():
            self.debs.mkdir(parents=True, exist_ok=True)
            for attempt in ("first", "second"):
                missing = [package for package in packages if self._file(package) is None]
                if not missing:
                    break
                total = sum(package.size for package in missing)
                require_space(self.debs, total)
                count = "1 package" if len(missing) == 1 else f"{len(missing)} packages"
                self._report(f"downloading {count} ({total / 1e6:.0f} MB)")
                with self._telling(missing):
                    self._download(
                        missing,
                        "Try again; if it stays so, `testbed cache prune --all` first."
                        if attempt == "second"
                        else "Check the network and try again: what has arrived is kept.",
                    )
            found = {package: self._file(package) for package in packages}
        wrong = [package.name for package, path in found.items() if path is None]
        if wrong:
            raise EnvironmentProblem(
                f"not what the signed index of {self.mirror} describes: {', '.join(wrong)}",
                "The mirror or the path to it changes files; use another one.",
            )
        return [path for path in found.values() if path is not None]

    def _download(self, packages: Sequence[Package], remedy: str) -> None:
        """Have apt fetch them, but not by `download`, which begins each file again."""
        names = [f"{package.name}={package.version}" for package in packages]
        printed = run(
            ["apt-get", "-q", "--print-uris", "download", *names],
            cwd=self.debs,
            environ=self._environ,
            remedy=remedy,
        )
        files = [
            word for one in _PRINTED_URI.finditer(printed) for word in (one["uri"], one["file"])
        ]
        run(
            [HELPER, "-q", "download-file", *files],
            cwd=self.debs,
            environ=self._environ,
            remedy=remedy,
        )

    @contextlib.contextmanager
    def _telling(self, packages: Sequence[Package]) -> Iterator[None]:
        """Report now and then how much of these has arrived, while this lasts."""
        ended = threading.Event()
        total = sum(package.size for package in packages)

        def tell() -> None:
            while not ended.wait(TELL_EVERY_S):
                files = [path for one in packages for path in self.debs.glob(f"{one.file_name}*")]
                arrived = 0
                with contextlib.suppress(FileNotFoundError):
                    arrived = sum(path.stat().st_size for path in files)
                self._report(f"{arrived / 1e6:.0f} of {total / 1e6:.0f} MB have arrived")

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _file(self, package: Package) -> Path | None:
        """The downloaded file if it is complete and right; a wrong one is removed."""
        for path in self.debs.glob(package.file_name + "*.deb"):
            if path.stat().st_size < package.size:
                return None  # apt goes on with it
            if file_sha256(path) == package.sha256:
                return path
            self._report(f"{path.name} is not what the index describes; fetching it again")
            path.unlink()
        return None

    def _is_configured(self) -> bool:
        """Not where the cache came from elsewhere: its apt would work in the folder of old."""
        try:
            return f'Dir::State "{self.folder}";' in (self.folder / "apt.conf").read_text()
        except FileNotFoundError:
            return False

    def _configure(self) -> None:
        keep = [
            line
            for line in run(["apt-config", "dump", "Acquire"]).splitlines()
            if not line.startswith(("Acquire::IndexTargets", "Acquire::Changelogs"))
        ]
        for folder in ("lists/partial", "archives/partial", "empty", "debs"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        if not KEYRING.exists():
            raise EnvironmentProblem(
                f"{KEYRING} is missing: package signatures cannot be checked",
                "Install the package debian-archive-keyring.",
            )
        (self.folder / "status").touch()
        sources = [f"deb [signed-by={KEYRING}] {self.mirror} {suite} main\n" for suite in SUITES]
        (self.folder / "sources.list").write_text("".join(sources))
        settings: dict[str, str] = {
            "Dir::State": f"{self.folder}",
            "Dir::State::lists": f"{self.folder}/lists",
            "Dir::State::status": f"{self.folder}/status",
            "Dir::State::extended_states": f"{self.folder}/extended_states",
            "Dir::Cache": f"{self.folder}",
            "Dir::Cache::archives": f"{self.folder}/archives",
            "Dir::Log": f"{self.folder}",
            "Dir::Etc": f"{self.folder}",
            "Dir::Etc::sourcelist": f"{self.folder}/sources.list",
            "Dir::Etc::sourceparts": f"{self.folder}/empty",
            "Dir::Etc::parts": f"{self.folder}/empty",
            "Dir::Etc::main": f"{self.folder}/empty/none",
            "Dir::Etc::preferences": f"{self.folder}/empty/none",
            "Dir::Etc::preferencesparts": f"{self.folder}/empty",
            "Dir::Etc::trusted": f"{self.folder}/empty/none",
            "Dir::Etc::trustedparts": f"{self.folder}/empty",
            "APT::Architecture": ARCHITECTURE,
            "APT::Sandbox::User": "",
            "APT::Install-Recommends": "false",
            "APT::Update::Error-Mode": "any",  # else apt-get update succeeds without an index
            "Acquire::Languages": "none",
            "Acquire::PDiffs": "false",
            "Acquire::GzipIndexes": "false",
            "Acquire::Retries": "2",
        }
        lines = [*keep, f'APT::Architectures {{ "{ARCHITECTURE}"; }};']
        lines += [f"{name} {json.dumps(value)};" for name, value in settings.items()]
        (self.folder / "apt.conf").write_text("\n".join(lines) + "\n")

    def _has_index(self, suite: str) -> bool:
        mark = f"_dists_{suite}_{INDEX.replace('/', '_')}"
        return any(path.name.endswith(mark) for path in (self.folder / "lists").glob("*"))

    def _drop_wrong(self) -> list[str]:
        """Remove what is not as it was signed, so that apt fetches it again; the names of it."""
        lists, dropped = self.folder / "lists", []
        for suite in SUITES:
            wrong = wrong_index(lists, suite, INDEX, KEYRING)
            if wrong is not None:
                self._report(f"{wrong} is not what the archive signed")
                dropped.append(wrong.name)
                for path in lists.glob(f"*_dists_{suite}_*"):
                    path.unlink()
        return dropped

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
