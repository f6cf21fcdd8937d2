#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A modprobe of bnxt_en that is killed before the driver has its workqueue leaves the card's interrupts behind.
# Usage: reproduce.sh [INTERFACE]   Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
# The interface goes away, and with the bug the card cannot be bound again until the machine boots.

skip() { echo "SKIP: $*"; exit 4; }
[ "$(id -u)" = 0 ] || skip "must be root"
nic=${1-}
for path in /sys/class/net/*; do
	case $(readlink -f "$path/device/driver") in */bnxt_en) nic=${nic:-${path##*/}} ;; esac
done
[ -e "/sys/class/net/$nic/device" ] || skip "no interface of bnxt_en"
pci=$(basename "$(readlink -f "/sys/class/net/$nic/device")")
command -v rmmod >/dev/null || skip "no rmmod"
[ -n "$(cat /sys/module/bnxt_en/initstate 2>/dev/null)" ] || skip "bnxt_en is not a module"

mark="reproduce $$: rmmod"
for attempt in 1 2 3 4 5; do
	for dependent in $(ls /sys/module/bnxt_en/holders); do
		rmmod "$dependent"
	done
	rmmod bnxt_en || skip "bnxt_en is in use"
	echo "$mark $attempt" >/dev/kmsg
	modprobe bnxt_en &
	until [ -e /sys/module/bnxt_en ]; do :; done
	kill -9 $!
	wait $!
	if dmesg | sed "1,/$mark $attempt/d" | grep 'Unable to create workqueue'; then
		if dmesg | sed "1,/$mark $attempt/d" | grep 'WARNING.*\(irqdomain\|msi\.c\|msi_device_data_release\)'; then
			echo "SHOWN: the failed probe has left its interrupts"
			exit 1
		fi
		modprobe bnxt_en
		echo "absent: the failed probe has put its interrupts away"
		exit 0
	fi
	modprobe bnxt_en
done
skip "modprobe was never killed in time"
