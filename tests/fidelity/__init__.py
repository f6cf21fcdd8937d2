# SPDX-License-Identifier: GPL-2.0-only
"""The fidelity statement: what drivers ask of a BCM57508, and what this card does with it."""
