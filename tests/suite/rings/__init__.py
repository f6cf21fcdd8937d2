# SPDX-License-Identifier: GPL-2.0-only
"""Queues restarted, resized and split."""
