# SPDX-License-Identifier: GPL-2.0-only
"""Writes into a finding's file that it is reported, or fixed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import tomli_w

from testbed.errors import EnvironmentProblem
from testbed.findings.head import Status
from testbed.findings.load import FENCE, Finding, read_finding

_STATUS = re.compile(r'^status = "[\w ]+"\n', re.MULTILINE)
_LINE = re.compile(r"^(?:link|fixed) = .*\n", re.MULTILINE)


def close(
    finding: Finding, status: Status, *, link: str | None = None,
    fixed: Mapping[str, str] | None = None,
) -> Finding:  # fmt: skip
    """Set the status, and with it ``link`` and ``fixed`` (version, commit, subject).

    What is not given stays as it is. Returns the finding as it is now. Raises ConfigProblem if the
    head would not be sound, and leaves the file as it was; EnvironmentProblem.
    """
    whole = finding.path.read_text(encoding="utf-8")
    before, head, text = whole.split(f"{FENCE}\n", 2)
    given: dict[str, Any] = {"link": link, "fixed": None if fixed is None else dict(fixed)}
    for match in list(_LINE.finditer(head)):
        if given[match[0].partition(" ")[0]] is not None:
            head = head.replace(match[0], "", 1)
    lines = [f'status = "{status.value}"\n']
    lines += [_line(name, value) for name, value in given.items() if value is not None]
    head = _STATUS.sub(lambda _old: "".join(lines), head, count=1)
    try:
        finding.path.write_text(f"{FENCE}\n".join([before, head, text]), encoding="utf-8")
        return read_finding(finding.path)
    except OSError as err:
        raise EnvironmentProblem(f"{finding.path} cannot be written: {err.strerror}") from err
    except BaseException:
        finding.path.write_text(whole, encoding="utf-8")
        raise


def _line(name: str, value: Any) -> str:
    if not isinstance(value, dict):
        return tomli_w.dumps({name: value})
    inline = ", ".join(tomli_w.dumps({key: one}).strip() for key, one in value.items())
    return f"{name} = {{ {inline} }}\n"
