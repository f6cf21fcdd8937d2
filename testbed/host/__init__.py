# SPDX-License-Identifier: GPL-2.0-only
"""Programs on the host: jails, private folders, the reaper, the terminal."""
