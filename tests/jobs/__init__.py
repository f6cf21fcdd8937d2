# SPDX-License-Identifier: GPL-2.0-only
"""What the jobs of CI found: a record of it, and the tables that documents show."""
