# SPDX-License-Identifier: GPL-2.0-only
"""What of driver, page pool, queue and zcrx code runs of UML guests went through."""
