# SPDX-License-Identifier: GPL-2.0-only
"""Host-software interface: declarations of messages, descriptors and registers."""
