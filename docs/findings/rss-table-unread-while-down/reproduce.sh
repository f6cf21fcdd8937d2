#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bnxt_en shows zeroes as the RSS table of an interface that is down, so that fewer channels can be set than the table names.
# Usage: reproduce.sh [INTERFACE]   Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
# Without GO=1 the table is compared only. With GO=1 the interface goes up with the fewer channels: a kernel with the bug then
# follows the table beyond its array of rings, and oopses with the RTNL lock held, or panics.

skip() { echo "SKIP: $*"; exit 4; }
[ "$(id -u)" = 0 ] || skip "must be root"
nic=${1-}
for path in /sys/class/net/*; do
	case $(readlink -f "$path/device/driver") in */bnxt_en) nic=${nic:-${path##*/}} ;; esac
done
[ -e "/sys/class/net/$nic/device" ] || skip "no interface of bnxt_en"

# channels Maximums|Current: of the named half of ethtool -l
channels() { ethtool -l "$nic" | sed "1,/$1/d" | sed -n 's/^Combined:[[:space:]]*//p' | head -n 1; }
table() { ethtool -x "$nic" | grep '^ *[0-9]*:'; }

before=$(channels Current)
[ "$(channels maximums)" -ge 4 ] || skip "the card has fewer than 4 channels"
ip link set "$nic" up
ethtool -L "$nic" combined 4 || skip "cannot set 4 channels"
ethtool -X "$nic" start 3 equal 1 || skip "cannot set the table"
up=$(table)
ip link set "$nic" down
down=$(table)
if [ "${GO-}" = 1 ] && ethtool -L "$nic" combined 1; then
	echo "one channel was set, and the table names the fourth"
	ip link set "$nic" up
fi
ip link set "$nic" up
ethtool -X "$nic" default
ethtool -L "$nic" combined "$before"
if [ "$up" != "$down" ]; then
	echo "SHOWN: while the interface is down its table reads: $(echo "$down" | head -n 1)"
	exit 1
fi
echo "absent: the table is the same, up and down"
