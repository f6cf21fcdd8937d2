# SPDX-License-Identifier: GPL-2.0-only
"""The second engine: the kernel under test as a host process, User Mode Linux."""
