# SPDX-License-Identifier: GPL-2.0-only
"""Network cards in Python: ``python -m devmodel`` runs one. Standard library only."""

__version__ = "0.2.0"
