# SPDX-License-Identifier: GPL-2.0-only
"""The machine layer: QEMU's command line, life cycle, guest agent, kernel log and clean-up."""
