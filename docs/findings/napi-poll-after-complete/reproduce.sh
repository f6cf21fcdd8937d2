#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bnxt_en: a NAPI poll that has completed reads an array that a close frees.
# Usage: reproduce.sh [INTERFACE]   Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
# A kernel with the bug panics, as a rule. The window is one register write long: on a stock kernel this may take hours, with
# kernels/races/napi-poll-after-complete.patch the first round shows it. Needs two CPUs.

skip() { echo "SKIP: $*"; exit 4; }
[ "$(id -u)" = 0 ] || skip "must be root"
nic=${1-}
for path in /sys/class/net/*; do
	case $(readlink -f "$path/device/driver") in */bnxt_en) nic=${nic:-${path##*/}} ;; esac
done
[ -e "/sys/class/net/$nic/device" ] || skip "no interface of bnxt_en"
pci=$(basename "$(readlink -f "/sys/class/net/$nic/device")")
rounds=${ROUNDS:-20}

[ "$(nproc)" -gt 1 ] || skip "one CPU: the poll cannot be overtaken"
# Polls on the first CPU, closes on the second.
for irq in $(ls "/sys/class/net/$nic/device/msi_irqs"); do
	echo 0 >"/proc/irq/$irq/smp_affinity_list" 2>/dev/null
done
entries=$(ethtool -g "$nic" | sed '1,/Current/d' | sed -n 's/^RX:[[:space:]]*//p')
mark="reproduce $$: rings"
echo "$mark" >/dev/kmsg
for round in $(seq "$rounds"); do
	for size in $((entries / 2)) "$entries"; do
		timeout 60 taskset -c 1 ethtool -G "$nic" rx "$size" || skip "ethtool -G ended with $?"
	done
	if dmesg | sed "1,/$mark/d" | grep 'BUG: \|Oops\|KASAN'; then
		echo "SHOWN: a poll has used the array after it was freed (round $round)"
		exit 1
	fi
done
dmesg | grep -q 'races: napi-poll-after-complete' || skip "nothing in $rounds rounds; a stock kernel may take hours"
echo "absent: nothing in $rounds rounds"
