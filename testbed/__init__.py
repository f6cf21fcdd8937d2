# SPDX-License-Identifier: GPL-2.0-only
"""The runner: boots a guest beside the card, runs tests in it and writes the report."""
