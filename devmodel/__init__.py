# SPDX-License-Identifier: GPL-2.0-only
"""A Broadcom BCM57508 in Python. Run it with ``python -m devmodel``; standard library only."""
