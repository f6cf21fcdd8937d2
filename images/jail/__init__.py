# SPDX-License-Identifier: GPL-2.0-only
"""The jail of every program that meets foreign input: guests, the card, shares, builds.

``spec`` says what a program may have, ``start`` makes the command that puts it there. ``enter`` and
what it imports run in a process of their own between fork and exec; they import little, because a
UML guest boots in hardly more time than that takes.
"""
