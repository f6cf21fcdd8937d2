# SPDX-License-Identifier: GPL-2.0-only
"""Card options as the card understands them: checked before anything is built or started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testbed.schema import WrongValue, readable


def check_card_options(options: Mapping[str, Any]) -> None:
    """Raises WrongValue, which names key and allowed values."""
    from devmodel.bnxt.options import OptionError, read_options

    try:
        read_options({key: readable(value) for key, value in options.items()})
    except OptionError as wrong:
        raise WrongValue(wrong.problem, key=wrong.key, allowed=wrong.allowed) from wrong
