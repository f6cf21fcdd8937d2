#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# devlink reload of a bnxt_en card whose RSS table names more rings than the driver opens by default: the driver follows
# the table beyond its array of rings.
# Usage: reproduce.sh [INTERFACE]   Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
# A kernel with the bug oopses with the RTNL lock held, or panics: no command for a network interface ends any more.

skip() { echo "SKIP: $*"; exit 4; }
[ "$(id -u)" = 0 ] || skip "must be root"
nic=${1-}
for path in /sys/class/net/*; do
	case $(readlink -f "$path/device/driver") in */bnxt_en) nic=${nic:-${path##*/}} ;; esac
done
[ -e "/sys/class/net/$nic/device" ] || skip "no interface of bnxt_en"
pci=$(basename "$(readlink -f "/sys/class/net/$nic/device")")
command -v devlink >/dev/null || skip "no devlink (iproute2)"

channels() { ethtool -l "$nic" | sed "1,/$1/d" | sed -n 's/^Combined:[[:space:]]*//p' | head -n 1; }

# The driver's default: half of the physical cores, or what a reload leaves.
ethtool -X "$nic" default
devlink dev reload "pci/$pci" action driver_reinit || skip "devlink refuses to reload"
default=$(channels Current)
wanted=$((default + 2))
most=$(channels maximums)
[ "$wanted" -le "$most" ] || wanted=$most
[ "$wanted" -gt "$default" ] || skip "the card has no more channels than the default of $default"
ethtool -L "$nic" combined "$wanted" || skip "cannot set $wanted channels"
ethtool -X "$nic" start $((wanted - 1)) equal 1 || skip "cannot set the table"

mark="reproduce $$: devlink reload"
echo "$mark" >/dev/kmsg
timeout 60 devlink dev reload "pci/$pci" action driver_reinit
status=$?
if dmesg | sed "1,/$mark/d" | grep 'BUG: \|Oops\|KASAN'; then
	echo "SHOWN: the reload faulted (devlink ended with $status)"
	exit 1
fi
[ "$status" = 0 ] || skip "devlink ended with $status"
now=$(channels Current)
named=$(ethtool -x "$nic" | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) if ($i > most) most = $i }
	/hash key/ { exit } END { print most + 0 }')
ethtool -X "$nic" default
ethtool -L "$nic" combined "$default"
if [ "$named" -ge "$now" ]; then
	echo "SHOWN: the table names ring $named, and there are $now rings"
	exit 1
fi
echo "absent: $now rings, and the table names none beyond $named"
