# SPDX-License-Identifier: GPL-2.0-only
"""The documents as a site, by Sphinx: docs/site/README.md. Its source folder is the clone."""

project = "bnxt-testbed"
copyright = "its authors, GPL-2.0-only"
extensions = ["myst_parser"]
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**.md"]
root_doc = "docs/site/index"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
html_theme = "alabaster"
html_theme_options = {"page_width": "72rem", "sidebar_width": "14rem"}
html_copy_source = False
html_show_sourcelink = False
