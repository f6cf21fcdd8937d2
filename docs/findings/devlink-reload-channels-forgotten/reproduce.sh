#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# devlink reload of a bnxt_en card undoes "ethtool -L".
# Usage: reproduce.sh [INTERFACE]   Exit: 0 channels are kept, 1 the bug shows, 4 cannot tell

skip() { echo "SKIP: $*"; exit 4; }
[ "$(id -u)" = 0 ] || skip "must be root"
nic=${1-}
for path in /sys/class/net/*; do
	case $(readlink -f "$path/device/driver") in */bnxt_en) nic=${nic:-${path##*/}} ;; esac
done
[ -e "/sys/class/net/$nic/device" ] || skip "no interface of bnxt_en"
pci=$(basename "$(readlink -f "/sys/class/net/$nic/device")")
command -v devlink >/dev/null || skip "no devlink (iproute2)"

# channels Maximums|Current: of the named half of ethtool -l
channels() { ethtool -l "$nic" | sed "1,/$1/d" | sed -n 's/^Combined:[[:space:]]*//p' | head -n 1; }
reload() { devlink dev reload "pci/$pci" action driver_reinit || skip "devlink refuses to reload"; }

reload
default=$(channels Current)
wanted=$((default + 1))
[ "$wanted" -le "$(channels maximums)" ] || wanted=$((default - 1))
[ "$wanted" -ge 1 ] || skip "the card has one channel and no more"
ethtool -L "$nic" combined "$wanted" || skip "cannot set $wanted channels"
reload
now=$(channels Current)
ethtool -L "$nic" combined "$default"
if [ "$now" != "$wanted" ]; then
	echo "SHOWN: $wanted channels were set, $now are left after devlink reload"
	exit 1
fi
echo "absent: $now channels before and after"
