# SPDX-License-Identifier: GPL-2.0-only
"""Bugs we put into driver, io_uring and page_pool, one patch each, and what must see them."""
