# SPDX-License-Identifier: GPL-2.0-only
"""Promises of device memory TCP: net/core/devmem.c, its sockets, and what binds a queue."""
