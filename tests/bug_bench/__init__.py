# SPDX-License-Identifier: GPL-2.0-only
"""Bugs for the bench of searches: no scripted test is named after one of them."""
