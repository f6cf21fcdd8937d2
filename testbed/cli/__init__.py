# SPDX-License-Identifier: GPL-2.0-only
"""The ``testbed`` command line: one file per group of commands."""
