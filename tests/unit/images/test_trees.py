# SPDX-License-Identifier: GPL-2.0-only
"""Trees of unpacked packages, programs out of them, and the commands that make them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from images.buildroot import DEEPEST, HOST, LIMITS, BuildRoot
from images.command import run
from images.errors import EnvironmentProblem
from images.jail.idmap import can_map_owner
from images.recipe import HERE, Recipe
from images.store import source_hashes
from images.toolroot import LIBRARIES, LOADER, ToolRoot
from images.tree import unpack


def make_deb(folder: Path, name: str, files: dict[str, int]) -> Path:
    """A package that holds these files (path -> mode)."""
    tree = folder / name
    for path, mode in files.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path)
        target.chmod(mode)
    control = tree / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\n"
        "Description: x\n"
    )
    deb = folder / f"{name}_1_all.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True
    )
    return deb


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_unpack_leaves_documentation_set_id_bits_and_pipes_out(tmp_path: Path) -> None:
    (tmp_path / "a/usr").mkdir(parents=True)
    os.mkfifo(tmp_path / "a/usr/pipe")
    debs = [
        make_deb(tmp_path, "a", {"usr/bin/su": 0o4755, "usr/share/doc/a/copyright": 0o644}),
        make_deb(tmp_path, "b", {"usr/lib/b/data": 0o644, "usr/lib/b/big": 0o644}),
    ]
    target = tmp_path / "out"
    target.mkdir()
    unpack(debs, target, exclude=["./usr/lib/b/big"])
    assert below(target) == {"usr/bin/su", "usr/lib/b/data"}
    assert not (target / "usr/pipe").exists()
    assert (target / "usr/bin/su").stat().st_mode & 0o7777 == 0o755


def test_unpack_refuses_a_truncated_package(tmp_path: Path) -> None:
    deb = make_deb(tmp_path, "a", {"usr/lib/a": 0o644})
    deb.write_bytes(deb.read_bytes()[:-40])
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(EnvironmentProblem):
        unpack([deb], target)


def test_program_is_started_by_its_own_loader(tmp_path: Path) -> None:
    program = tmp_path / "usr/sbin/depmod"
    program.parent.mkdir(parents=True)
    program.touch()
    assert ToolRoot(tmp_path).command("depmod") == [
        str(tmp_path / LOADER),
        "--library-path",
        str(tmp_path / LIBRARIES),
        str(program),
    ]
    with pytest.raises(FileNotFoundError, match="nothere"):
        ToolRoot(tmp_path).command("nothere")


def test_qemu_is_told_where_its_firmware_is(tmp_path: Path) -> None:
    for path in ("usr/bin/qemu-system-x86_64", "usr/share/seabios/bios.bin"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    command = ToolRoot(tmp_path).command("qemu-system-x86_64")
    assert command[-2:] == ["-L", str(tmp_path / "usr/share/seabios")]
    assert str(tmp_path / "usr/share/qemu") not in command


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("toolroot.toml", "tools"),
        ("toolroot.toml", "qemu"),
        ("toolroot.toml", "build"),
        ("guest.toml", "guest"),
    ],
)
def test_recipes_load_and_carry_the_links_of_usrmerge(file: str, table: str) -> None:
    recipe = Recipe.load(HERE / file, table)
    assert "base-files" in recipe.packages
    assert recipe.as_input()["packages"] == list(recipe.packages)


def test_misspelt_recipe_key_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('[x]\npackages = ["a"]\nexcludes = []\n')
    with pytest.raises(TypeError, match="excludes"):
        Recipe.load(path, "x")


def test_failed_command_shows_itself_its_status_and_its_last_words() -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        run(["sh", "-c", "echo reason >&2; exit 7"], remedy="Do this.")
    assert "exit code 7 from: sh -c" in problem.value.message
    assert "reason" in problem.value.message
    assert problem.value.remedy == "Do this."


def test_missing_program_is_named() -> None:
    with pytest.raises(EnvironmentProblem, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_full_disk_in_a_command_is_called_that(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"is full: [0-9]+ bytes are free") as problem:
        run(["sh", "-c", "echo 'tar: No space left on device'; exit 2"], cwd=tmp_path)
    assert str(tmp_path) in problem.value.message


def test_source_hashes_notice_content_mode_and_link(tmp_path: Path) -> None:
    script = tmp_path / "sub" / "script"
    script.parent.mkdir()
    script.write_text("x")
    (tmp_path / "link").symlink_to("sub/script")
    before = source_hashes(tmp_path)
    assert set(before) == {"sub/script", "link"}
    script.chmod(0o755)
    executable = source_hashes(tmp_path)
    assert executable != before
    script.write_text("y")
    assert source_hashes(tmp_path) != executable
    assert before["link"] == "-> sub/script"


def test_build_root_runs_inside_the_tree_and_writes_only_where_it_may(tmp_path: Path) -> None:
    tree, work, given = tmp_path / "tree", tmp_path / "work", tmp_path / "given"
    for folder in ("usr", "etc", "tmp", "var"):
        (tree / folder).mkdir(parents=True)
    work.mkdir()
    given.write_text("given")
    for name in ("bin", "lib", "lib64", "sbin"):  # the host's own programs stand in
        (tree / "usr" / name).symlink_to(f"/host/{name}")
    script = "cat /given; echo written > made; echo; ls /usr; ! echo x 2>/dev/null > /given"
    output = BuildRoot(tree).run(
        ["sh", "-c", script],
        read={"/host": Path("/usr"), "/given": given}, write={"/work": work}, folder="/work",
    )  # fmt: skip
    assert output.split() == ["given", "bin", "lib", "lib64", "sbin"]
    assert (work / "made").read_text() == "written\n"
    assert (work / "made").stat().st_uid == os.getuid()
    assert given.read_text() == "given"
    assert sorted(path.name for path in tree.iterdir()) == ["etc", "tmp", "usr", "var"]
    assert list((tree / "tmp").iterdir()) == []


def test_build_root_passes_input_on_and_says_how_a_program_failed(tmp_path: Path) -> None:
    assert HOST.run(["cat"], input=b"a word") == "a word"
    with pytest.raises(EnvironmentProblem, match=r"exit code 126 from.*\n  jail failed me"):
        HOST.run(["sh", "-c", "echo jail failed me; exit 126"])


def test_what_a_build_leaves_can_be_read_and_removed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    script = "mkdir -p closed/in; chmod 0 closed; way=$(printf 'd/%.0s' $(seq 90)); "
    script += "mkdir -p $way"
    HOST.run(["sh", "-c", script], write={"/work": work}, folder="/work")
    deepest = max(len(Path(folder).relative_to(work).parts) for folder, _, _ in os.walk(work))
    assert deepest == DEEPEST - 1
    assert (work / "closed").stat().st_mode & 0o700 == 0o700


def test_what_a_build_makes_has_the_same_modes_for_every_user(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    before = os.umask(0o077)
    try:
        HOST.run(
            ["sh", "-c", "mkdir folder; : > folder/file"], write={"/work": work}, folder="/work"
        )
    finally:
        os.umask(before)
    modes = [(work / name).stat().st_mode & 0o777 for name in ("folder", "folder/file")]
    assert modes == [0o755, 0o644]


def test_endless_output_ends_with_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.buildroot.LIMITS", LIMITS | {"FSIZE": 1 << 20})
    monkeypatch.setattr("images.command.MOST_OUTPUT_BYTES", 1 << 19)
    with pytest.raises(EnvironmentProblem, match="printed more than 0 MiB"):
        HOST.run(["cat", "/dev/zero"])


def test_folder_that_a_killed_build_has_left_is_ours_again(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    if os.getuid() != 0:
        pytest.skip("requires root")
    os.chown(work, 61234, 61234)
    HOST.run(["touch", "made"], write={"/work": work}, folder="/work")
    assert {path.stat().st_uid for path in (work, work / "made")} == {0}


def test_what_only_we_may_read_is_read_by_a_build(tmp_path: Path) -> None:
    if os.getuid() == 0 and not can_map_owner(str(tmp_path)):
        pytest.skip("requires a file system with idmapped mounts")
    source = tmp_path / "source"  # of a clone made with umask 077
    source.mkdir(mode=0o700)
    (source / "a.c").write_text("text")
    (source / "a.c").chmod(0o600)
    assert HOST.run(["cat", "/source/a.c"], read={"/source": source}) == "text"
