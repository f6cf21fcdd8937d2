# SPDX-License-Identifier: GPL-2.0-only
"""Tests of a NIC and its driver that know neither the card's model nor the machine it is in."""
