# SPDX-License-Identifier: GPL-2.0-only
"""The main job: probe to remove on the emulated card, with zero-copy receive in between."""
