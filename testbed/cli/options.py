# SPDX-License-Identifier: GPL-2.0-only
"""The options of a run as options of a command: made of the fields of RunOptions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from testbed.options import settings

GIVEN = "given"
REQUIRED = inspect.Parameter.empty
"""In ``defaults``: the option has to be given."""

RunFolder = Annotated[
    Path | None,
    typer.Option("--run-dir", help="Parent of the run directory.", rich_help_panel="Machine"),
]

Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Exit 1 if the card recorded a violation, or the kernel complained of what is not on "
        "record.",
    ),
]


def run_options(
    *only: str, without: Collection[str] = (), **defaults: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a run: fields of RunOptions.

    Those named ``only``; without names all, also those to come, but those named ``without``. The
    command gets them in its parameter ``given``, a mapping from field to value, where None means
    that nothing was given, for ``build_options()``.
    """
    assert {*only, *without, *defaults} <= settings().keys(), (only, without, defaults)
    names = [name for name in settings() if name in (only or settings()) and name not in without]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def take(**values: Any) -> None:
            given: Mapping[str, Any] = {name: values.pop(name) for name in names}
            command(given=given, **values)

        hints = get_type_hints(command, include_extras=True)
        parameters: list[inspect.Parameter] = []
        for name, parameter in inspect.signature(command).parameters.items():
            if name == GIVEN:
                parameters += [_parameter(one, defaults.get(one)) for one in names]
            else:
                parameters.append(
                    parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hints[name])
                )
        take.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        take.__annotations__ = {one.name: one.annotation for one in parameters}
        return take

    return decorate


def _parameter(name: str, default: Any) -> inspect.Parameter:
    """The option of a field, for typer: in ``Annotated``, with a type that shows the choices."""
    setting = settings()[name]
    flag, option = setting.flag, setting.option
    spelt = f"--{flag}/--no-{flag}" if setting.kind is bool else f"--{flag}"
    kind: Any = setting.kind
    if kind is str and setting.choices:
        kind = Literal[setting.choices]
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[
            kind if default is REQUIRED else kind | None,
            typer.Option(spelt, help=option.help, rich_help_panel=option.panel),
        ],
    )
