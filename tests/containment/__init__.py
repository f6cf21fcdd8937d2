# SPDX-License-Identifier: GPL-2.0-only
"""What a program can reach from inside each jail, on each kind of host: docs/SECURITY.md."""
