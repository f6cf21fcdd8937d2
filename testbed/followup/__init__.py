# SPDX-License-Identifier: GPL-2.0-only
"""What is done with a finding once it is on record: checked, verified, exported, shown."""
