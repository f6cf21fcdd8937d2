# SPDX-License-Identifier: GPL-2.0-only
"""Everything a machine is made of, from the cache: QEMU, a kernel, the guest's root image."""

from testbed.artifacts.accelerator import AcceleratorProbe
from testbed.artifacts.prepare import Artifacts, Prepared

__all__ = ["AcceleratorProbe", "Artifacts", "Prepared"]
