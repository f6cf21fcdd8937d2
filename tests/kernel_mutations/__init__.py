# SPDX-License-Identifier: GPL-2.0-only
"""Deliberate changes of the kernel, one patch each, that break a promise the suite tests."""
