# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: fixtures, reports and findings of the suite."""
