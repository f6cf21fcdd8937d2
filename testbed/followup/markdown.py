# SPDX-License-Identifier: GPL-2.0-only
"""A finding's text as mails and web pages need it: plain, or HTML. It is Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

WIDTH = 75
"""Characters of a line of plain text, as the kernel's documents ask for."""
INDENT = "    "
_PARSER = MarkdownIt("commonmark", {"html": False})


def as_html(text: str) -> str:
    """HTML of the text, what looks like HTML in it escaped. Only addresses on the web are links."""
    tokens = _PARSER.parse(text)
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open" and not _address(child):
                child.attrs.pop("href", None)
            elif child.type == "image":
                child.type, child.tag = "text", ""
    rendered: str = _PARSER.renderer.render(tokens, _PARSER.options, {})
    return rendered.replace("<pre>", '<pre tabindex="0">')  # it scrolls, also by keys


def as_plain(text: str, width: int = WIDTH) -> str:
    """The text without marks: paragraphs of lines of `width`, code indented and as it stands."""
    plain = ""
    depth, mark, tight = 0, "", False
    for token in _PARSER.parse(text):
        margin = "  " * depth
        if token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
            tight = False
        elif token.type == "list_item_open":
            mark = f"{token.info}. " if token.info else "- "
        elif token.type in ("fence", "code_block"):
            plain += "\n" + textwrap.indent(token.content.rstrip("\n"), margin + INDENT) + "\n"
            tight = False
        elif token.type == "inline":
            first = "  " * (depth - 1) + mark if mark else margin
            words = " ".join(_words(token.children or ()).split())
            plain += ("" if tight and mark else "\n") + textwrap.fill(
                words, width, initial_indent=first, subsequent_indent=" " * len(first),
                break_long_words=False, break_on_hyphens=False,
            ) + "\n"  # fmt: skip
            mark, tight = "", bool(depth)
    return plain.lstrip("\n")


def _words(tokens: Sequence[Token]) -> str:
    said, target = "", ""
    for token in tokens:
        if token.type in ("text", "code_inline", "image"):
            said += token.content
        elif token.type in ("softbreak", "hardbreak"):
            said += " "
        elif token.type == "link_open":
            target = _address(token)
        elif token.type == "link_close" and target:
            said += f" <{target}>"
    return said


def _address(link: Token) -> str:
    """Where a link leads on the web, "" if that is elsewhere."""
    target = str(link.attrs.get("href", ""))
    return target if target.startswith("https://") else ""
