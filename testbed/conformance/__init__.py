# SPDX-License-Identifier: GPL-2.0-only
"""The face of a card as data: recorded, compared, made a personality (docs/conformance.md)."""
