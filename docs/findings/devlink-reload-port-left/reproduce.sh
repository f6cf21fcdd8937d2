#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# devlink reload of a bnxt_en card warns that a port is left: once for each reload.
# Usage: reproduce.sh [INTERFACE]   Exit: 0 no warning, 1 the bug shows, 4 cannot tell
# panic_on_warn ends the machine.

skip() { echo "SKIP: $*"; exit 4; }
[ "$(id -u)" = 0 ] || skip "must be root"
nic=${1-}
for path in /sys/class/net/*; do
	case $(readlink -f "$path/device/driver") in */bnxt_en) nic=${nic:-${path##*/}} ;; esac
done
[ -e "/sys/class/net/$nic/device" ] || skip "no interface of bnxt_en"
pci=$(basename "$(readlink -f "/sys/class/net/$nic/device")")
command -v devlink >/dev/null || skip "no devlink (iproute2)"

mark="reproduce $$: devlink reload"
echo "$mark" >/dev/kmsg
devlink dev reload "pci/$pci" action driver_reinit || skip "devlink refuses to reload"
if dmesg | sed "1,/$mark/d" | grep 'WARNING.* devlink_reload\|WARNING.*net/devlink/dev\.c'; then
	echo "SHOWN: the kernel warns of a port that the driver left"
	exit 1
fi
echo "absent: reloaded without a warning"
