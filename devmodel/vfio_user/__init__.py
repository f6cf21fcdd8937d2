# SPDX-License-Identifier: GPL-2.0-only
"""vfio-user transport: the device end of the protocol QEMU speaks."""
