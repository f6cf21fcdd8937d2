# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own network selftests, unmodified, each file in a fresh guest."""
