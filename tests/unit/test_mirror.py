# SPDX-License-Identifier: GPL-2.0-only
"""tests/unit mirrors the product: a reader who knows a module finds its tests, and the reverse.

``devmodel/pci/dma.py`` is tested by ``tests/unit/devmodel/pci/test_dma.py``. What differs is in
``mirror.toml`` beside this file: test files of no single module, and modules tested elsewhere.

    python -P -m tests.unit.test_mirror

prints the entries that are missing there, with the test files that import the module: a proposal,
to be read before it is copied.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"
PACKAGES = ("devmodel", "images", "kernels", "testbed")
TABLE = tomllib.loads((UNIT / "mirror.toml").read_text())
OF_NO_MODULE: dict[str, str] = TABLE["of-no-module"]
ELSEWHERE: dict[str, list[str]] = TABLE["tested-elsewhere"]


def modules() -> set[str]:
    """Every product module, as a path from the root; a package's own file holds no code."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {str(path.relative_to(ROOT)) for path in found if not path.name.startswith("__")}


def module_of(test: Path) -> str:
    """The module that a test file names: tests/unit/a/test_b.py is of a/b.py."""
    return str(test.relative_to(UNIT).with_name(test.name.removeprefix("test_")))


def files() -> dict[str, str]:
    """Every test file below tests/unit, as a path from there, with the module that it names."""
    return {str(test.relative_to(UNIT)): module_of(test) for test in UNIT.rglob("test_*.py")}


def covering(module: str) -> str | None:
    """The entry of the table that is for a module: its own, or that of a folder it is in."""
    places = [module, *(f"{folder}/" for folder in Path(module).parents)]
    return next((place for place in places if place in ELSEWHERE), None)


def without_tests() -> list[str]:
    """Modules that have neither a test file of their own nor an entry."""
    own = set(files().values())
    return sorted(one for one in modules() - own if covering(one) is None)


def test_every_test_file_names_a_module_or_is_listed() -> None:
    known = modules()
    strangers = {test for test, module in files().items() if module not in known}
    assert strangers == set(OF_NO_MODULE)
    assert all(OF_NO_MODULE.values()), "an entry says what the tests are of"


def test_every_module_has_its_tests_or_says_where_they_are() -> None:
    assert without_tests() == [], "see the docstring of this file"


def test_entries_are_of_modules_without_tests_of_their_own_and_lead_somewhere() -> None:
    alone = modules() - set(files().values())
    assert set(map(covering, alone)) - {None} == set(ELSEWHERE)
    for module, places in ELSEWHERE.items():
        assert places, module
        assert [place for place in places if not (ROOT / place).exists()] == [], module


def importers(module: str) -> list[str]:
    """Test files that import a module, unit tests first."""
    name = module.removesuffix(".py").replace("/", ".")
    parent, _, last = name.rpartition(".")
    used = re.compile(rf"(from|import) {name}\b|from {parent} import [^\n]*\b{last}\b")
    found = (path for path in (ROOT / "tests").rglob("*.py") if used.search(path.read_text()))
    return sorted(
        (str(path.relative_to(ROOT)) for path in found), key=lambda p: ("unit" not in p, p)
    )


if __name__ == "__main__":
    for missing in without_tests():
        print(f'"{missing}" = {importers(missing)}'.replace("'", '"'))
