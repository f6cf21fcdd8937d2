# SPDX-License-Identifier: GPL-2.0-only
"""What the device under test is: the emulated card, or a NIC of QEMU's own."""
