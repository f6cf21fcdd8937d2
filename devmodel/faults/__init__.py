# SPDX-License-Identifier: GPL-2.0-only
"""Scripted faults: where they can be injected, how a plan says so, and the engine that does it."""
