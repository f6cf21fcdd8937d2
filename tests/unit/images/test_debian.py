# SPDX-License-Identifier: GPL-2.0-only
"""Reading what apt says, and refusing what is not what the signed index describes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from images.debian import (
    INDEX,
    KEYRING,
    REQUIRED_SUITES,
    Archive,
    Package,
    Selection,
    choose_mirror,
    host_mirror,
    parse_printed_uris,
    parse_stanzas,
)
from images.errors import EnvironmentProblem
from images.index import signed_text

CONTENT = b"a package"
GOOD = Package("hello", "1:2.10-3+b1", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
SHOWN = f"""\
Package: hello
Version: 1:2.10-3+b1
Depends: libc6 (>= 2.34),
 libfoo
Size: {len(CONTENT)}
SHA256: {GOOD.sha256}

Package: virtual-without-file
Version: 3
"""


def test_stanzas_without_a_file_are_left_out() -> None:
    (package,) = parse_stanzas(SHOWN)
    assert (package.name, package.version, package.size) == ("hello", "1:2.10-3+b1", 9)
    assert package.sha256 == GOOD.sha256


def test_printed_uris_give_names_and_unquoted_versions() -> None:
    text = """Reading package lists...
'http://m/pool/h/hello_2.10_amd64.deb' hello_1%3a2.10-3+b1_amd64.deb 56 MD5Sum:00
'http://m/pool/x/x_1_all.deb' x_1_all.deb 5 SHA256:00
"""
    assert parse_printed_uris(text) == [("hello", "1:2.10-3+b1"), ("x", "1")]


def test_mirror_is_the_hosts_debian_archive() -> None:
    targets = """http://other.example/apt/ bookworm main
http://mirror.example/debian-security/ bookworm-security main
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm contrib
"""
    assert choose_mirror(targets, "bookworm") == "http://mirror.example/debian"
    assert choose_mirror(targets, "noble") is None


def test_mirror_can_be_overridden() -> None:
    assert host_mirror({"TESTBED_DEBIAN_MIRROR": "file:/srv/debian/"}) == "file:/srv/debian"


def test_preferences_pin_packages_to_suites() -> None:
    text = Selection(["a"], {"sid": ["ethtool", "liburing2"]}).preferences()
    assert "Package: ethtool liburing2\nPin: release n=sid\nPin-Priority: 990\n" in text
    assert "Package: *\nPin: release n=sid\nPin-Priority: 50\n" in text


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive whose apt delivers $DELIVERS and notes that it was called."""
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    file = "hello_1%3a2.10-3+b1_amd64.deb"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f"""case "$*" in *--print-uris*) echo "'http://m/hello.deb' {file} 9 "; exit 0; esac\n"""
        f'if [ -n "$DELIVERS" ]; then printf "$DELIVERS" > {file}; '
        "else echo E: no route to host >&2; exit 100; fi\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr("images.debian.HELPER", str(program))
    monkeypatch.delenv("DELIVERS", raising=False)
    return Archive(tmp_path / "cache", mirror="http://mirror.example/debian")


def calls(archive: Archive) -> list[str]:
    return (archive.folder.parents[2] / "calls").read_text().splitlines()


def test_fetch_downloads_once(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELIVERS", CONTENT.decode())
    (path,) = archive.fetch([GOOD])
    assert path.read_bytes() == CONTENT
    assert archive.fetch([GOOD]) == [path]
    assert calls(archive) == [
        "-q --print-uris download hello=1:2.10-3+b1",
        "-q download-file http://m/hello.deb hello_1%3a2.10-3+b1_amd64.deb",
    ]


def test_tampered_download_is_fetched_again_then_refused(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERS", "A package")
    with pytest.raises(EnvironmentProblem, match="not what the signed index") as problem:
        archive.fetch([GOOD])
    assert "hello" in problem.value.message
    assert len(calls(archive)) == 4
    assert list(archive.debs.iterdir()) == []


def test_tampered_file_in_the_cache_is_replaced(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERS", CONTENT.decode())
    (path,) = archive.fetch([GOOD])
    path.write_bytes(b"A package")
    assert archive.fetch([GOOD]) == [path]
    assert path.read_bytes() == CONTENT


def test_truncated_download_is_kept_for_apt_to_go_on_with(archive: Archive) -> None:
    archive.debs.mkdir(parents=True)
    part = archive.debs / "hello_1%3a2.10-3+b1_amd64.deb"
    part.write_bytes(CONTENT[:4])
    with pytest.raises(EnvironmentProblem, match="no route to host"):
        archive.fetch([GOOD])
    assert part.read_bytes() == CONTENT[:4]


def test_download_tells_how_far_it_is(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, said = tmp_path / "told", list[str]()

    def report(text: str) -> None:
        said.append(text)
        if "0 of 0 MB have arrived" in text:
            told.touch()

    monkeypatch.setattr("images.debian.TELL_EVERY_S", 0.01)
    monkeypatch.setenv("DELIVERS", CONTENT.decode())
    program = tmp_path / "bin" / "apt-get"
    wait = f"for n in $(seq 1000); do [ -e {told} ] && break; sleep 0.01; done\n"
    program.write_text(program.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{wait}"))
    Archive(archive.folder.parents[1], archive.mirror, report).fetch([GOOD])
    assert told.exists()
    assert said[0] == "downloading 1 package (0 MB)"


def test_no_index_and_no_mirror_names_the_suites(archive: Archive) -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        archive.refresh()
    assert "no package index of trixie and trixie-backports" in problem.value.message
    assert "http://mirror.example/debian" in problem.value.message


def write_index(lists: Path, suite: str, content: str, signed: str = "") -> Path:
    """An index and the signed file that describes it, as apt keeps them."""
    lists.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256((signed or content).encode()).hexdigest()
    text = f"Suite: {suite}\nMD5Sum:\n 00 7 {INDEX}\nSHA256:\n {digest} 7 {INDEX}\n 11 7 other\n"
    (lists / f"m_debian_dists_{suite}_InRelease").write_text(text)
    index = lists / f"m_debian_dists_{suite}_main_binary-amd64_Packages"
    index.write_text(content)
    return index


@pytest.fixture
def lists(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Indexes of the suites that a run needs, read a moment ago; any signature is good."""
    monkeypatch.setattr("images.index.signed_text", lambda path, _keyring: path.read_text())
    lists = archive.folder / "lists"
    for suite in REQUIRED_SUITES:
        write_index(lists, suite, "Package: x\n")
    (archive.folder / "updated").touch()
    return lists


def test_index_read_today_needs_no_mirror(archive: Archive, lists: Path) -> None:
    assert len(list(lists.iterdir())) == 4
    archive.refresh()
    assert not (archive.folder.parents[2] / "calls").exists()


def test_cache_from_elsewhere_works_in_its_own_folder(archive: Archive, lists: Path) -> None:
    (archive.folder / "updated").unlink()
    archive.refresh()
    archive.folder.parents[1].rename(archive.folder.parents[2] / "moved")
    moved = Archive(archive.folder.parents[2] / "moved", archive.mirror)
    moved.refresh()
    settings = (moved.folder / "apt.conf").read_text()
    assert f'Dir::State "{moved.folder}";' in settings
    assert str(archive.folder) not in settings
    assert len(calls(archive)) == 1


def test_old_indexes_do_when_the_mirror_is_away(archive: Archive, lists: Path) -> None:
    (archive.folder / "updated").unlink()
    archive.refresh()
    archive.refresh()
    assert len(calls(archive)) == 1  # and it is not asked again at once
    assert len(list(lists.glob("*_dists_*"))) == 4


@pytest.mark.parametrize("suite", REQUIRED_SUITES)
def test_tampered_index_is_fetched_again(archive: Archive, lists: Path, suite: str) -> None:
    write_index(lists, suite, "Package: y\n", signed="Package: x\n")
    with pytest.raises(EnvironmentProblem, match=f"no package index of {suite} from"):
        archive.refresh()
    assert calls(archive) == ["-q update"]
    assert list(lists.glob(f"*_dists_{suite}_*")) == []


def test_index_without_a_signed_file_is_fetched_again(archive: Archive, lists: Path) -> None:
    next(lists.glob("*_trixie_InRelease")).unlink()
    with pytest.raises(EnvironmentProblem, match="no package index of trixie from"):
        archive.refresh()


def test_mirror_that_serves_what_was_not_signed_is_named(archive: Archive, lists: Path) -> None:
    wrong = write_index(lists, "sid", "Package: y\n", signed="Package: x\n")
    update = archive.folder.parents[2] / "bin/apt-get"
    copy = archive.folder.parents[2] / "copy"
    shutil.copytree(lists, copy)
    update.write_text(f"#!/bin/sh\ncp {copy}/* {lists}/\n")
    with pytest.raises(EnvironmentProblem, match="not what the archive signed") as problem:
        archive.refresh()
    assert wrong.name in problem.value.message


@pytest.mark.skipif(shutil.which("gpgv") is None, reason="requires gpgv")
def test_signed_file_that_was_changed_has_no_good_signature(tmp_path: Path) -> None:
    release = tmp_path / "InRelease"
    release.write_text("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSHA256:\n")
    assert signed_text(release, KEYRING) is None


def test_private_apt_checks_signatures_and_keeps_its_hands_off_the_host(archive: Archive) -> None:
    with pytest.raises(EnvironmentProblem):
        archive.refresh()
    sources = (archive.folder / "sources.list").read_text().splitlines()
    assert all(line.startswith("deb [signed-by=/usr/share/keyrings/") for line in sources)
    settings = (archive.folder / "apt.conf").read_text()
    for key in ("Dir::State", "Dir::Cache", "Dir::Etc::sourceparts", "Dir::Etc::parts"):
        assert f'{key} "{archive.folder}' in settings
    assert "AllowUnauthenticated" not in settings


def test_state_is_another_when_an_index_was_renewed(archive: Archive, lists: Path) -> None:
    before = archive.state()
    assert archive.state() == before
    signed = next(lists.glob("*InRelease"))
    signed.write_text(signed.read_text() + "newer\n")
    assert archive.state() != before


def test_state_of_no_index_is_that_of_the_first_one_read(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(Archive, "refresh", lambda _self: read.append("index"))
    archive.state()
    assert read == ["index"]
