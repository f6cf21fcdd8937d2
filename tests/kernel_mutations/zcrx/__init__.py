# SPDX-License-Identifier: GPL-2.0-only
"""Mutations of zero-copy receive: io_uring/zcrx.c and what binds a queue."""
