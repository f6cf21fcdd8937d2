# SPDX-License-Identifier: GPL-2.0-only
"""Real machines over SSH: what lab.toml says, the session on them, and a stand-in for them."""
