# SPDX-License-Identifier: GPL-2.0-only
"""One workload many times: is it the same run every time?"""
