# SPDX-License-Identifier: GPL-2.0-only
"""Every test run knows the testbed's fixtures and options; a machine boots only if one is used."""

pytest_plugins = ["testbed.pytest_plugin"]
