# SPDX-License-Identifier: GPL-2.0-only
"""Probe, link and ping."""
