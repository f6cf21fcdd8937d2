# SPDX-License-Identifier: GPL-2.0-only
"""How armed faults see the card's structures and change them; unused while none is armed."""
