# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator can ask of the device: docs/operations.md."""
