# SPDX-License-Identifier: GPL-2.0-only
"""Pages of the receive rings go round, mapped once: docs/suite-page-pool.md."""
