# SPDX-License-Identifier: GPL-2.0-only
"""What a guest can be made to do, and what must come of it."""
