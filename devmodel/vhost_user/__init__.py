# SPDX-License-Identifier: GPL-2.0-only
"""vhost-user: how User Mode Linux reaches the card, and the virtio devices of its machine."""
