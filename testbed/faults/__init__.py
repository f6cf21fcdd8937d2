# SPDX-License-Identifier: GPL-2.0-only
"""Scripted faults: the catalogue, the workloads they are tried under, and the verdicts."""
