# SPDX-License-Identifier: GPL-2.0-only
"""The tool root, the build root and the guest root: Debian packages in, read-only trees out."""
