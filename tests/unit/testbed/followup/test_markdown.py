# SPDX-License-Identifier: GPL-2.0-only
"""Findings' texts without their marks, and as HTML in which nothing of theirs is HTML."""

from __future__ import annotations

from testbed.followup.markdown import as_html, as_plain

TEXT = """\
# Title

*Cause (read in the source):* `bnxt_open()` is [here](bnxt.c) or
[there](https://example.org/x), **never** both.

- one `a_b`
  and more
- two

    1. inner

```
  raw   *text*

end
```

After.
"""


def test_plain_text_has_no_marks_and_keeps_code_as_it_stands() -> None:
    assert (
        as_plain(TEXT, 40)
        == """\
Title

Cause (read in the source): bnxt_open()
is here or there
<https://example.org/x>, never both.

- one a_b and more
- two
  1. inner

      raw   *text*

    end

After.
"""
    )


def test_items_of_a_list_stand_in_lines_of_their_own_below_each_other() -> None:
    assert as_plain("- a\n- b\n\nc\n\n2. d\n3. e") == "- a\n- b\n\nc\n\n2. d\n3. e\n"


def test_long_lines_are_wrapped_and_hang_below_their_item() -> None:
    assert as_plain("- one two three", 9) == "- one two\n  three\n"


def test_html_in_a_text_is_shown_and_links_lead_to_the_web_only() -> None:
    html = as_html(
        "<script>x</script> [a](javascript:x) [b](file.md) [c](https://e.org) ![d](//e/i)"
    )
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert html.count("href=") == 1
    assert 'href="https://e.org"' in html
    assert "<img" not in html
    assert "javascript" not in html.replace("(javascript:x)", "")


def test_code_is_escaped_in_html() -> None:
    assert "&lt;b&gt;" in as_html("```\n<b>\n```")
    assert "&lt;b&gt;" in as_html("`<b>`")


def test_code_that_scrolls_can_be_reached_by_keys() -> None:
    """axe: scrollable-region-focusable."""
    html = as_html("```\nBUG\n```\n\n    <pre>\n")
    assert html.count('<pre tabindex="0">') == 2
    assert "&lt;pre&gt;" in html
