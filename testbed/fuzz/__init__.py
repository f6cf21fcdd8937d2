# SPDX-License-Identifier: GPL-2.0-only
"""Fuzz campaigns from the device's side: schedules searched for, run, judged, minimised, kept."""
