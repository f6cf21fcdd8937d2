#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bnxt_en without ntuple filters: an RSS context is lost when the interface goes down and up.
# Usage: reproduce.sh [INTERFACE]   Exit: 0 the context is kept, 1 the bug shows, 4 cannot tell

skip() { echo "SKIP: $*"; exit 4; }
[ "$(id -u)" = 0 ] || skip "must be root"
nic=${1-}
for path in /sys/class/net/*; do
	case $(readlink -f "$path/device/driver") in */bnxt_en) nic=${nic:-${path##*/}} ;; esac
done
[ -e "/sys/class/net/$nic/device" ] || skip "no interface of bnxt_en"
pci=$(basename "$(readlink -f "/sys/class/net/$nic/device")")

ethtool -K "$nic" ntuple off 2>/dev/null
ethtool -k "$nic" | grep -q '^ntuple-filters: off' || skip "ntuple filters cannot be turned off"
ethtool -L "$nic" combined 2 || skip "cannot set two channels"
made=$(ethtool -X "$nic" context new | sed -n 's/^New RSS context is //p')
[ -n "$made" ] || skip "the card makes no RSS context"
ip link set "$nic" down
ip link set "$nic" up
if ethtool -x "$nic" context "$made" >/dev/null 2>&1; then
	ethtool -X "$nic" context "$made" delete
	echo "absent: context $made is still there"
	exit 0
fi
echo "SHOWN: context $made is gone"
exit 1
