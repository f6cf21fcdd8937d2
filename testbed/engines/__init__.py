# SPDX-License-Identifier: GPL-2.0-only
"""What runs a guest: QEMU, User Mode Linux, or a machine of a lab."""
