#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A function reset from user space leaves an open interface of bnxt_en dead.
# Usage: [REMOTE=ADDRESS] reproduce.sh [INTERFACE]   Exit: 0 bug absent, 1 the bug shows, 4 cannot tell
# REMOTE answers pings on that interface. With the bug the next close takes minutes.

skip() { echo "SKIP: $*"; exit 4; }
[ "$(id -u)" = 0 ] || skip "must be root"
nic=${1-}
for path in /sys/class/net/*; do
	case $(readlink -f "$path/device/driver") in */bnxt_en) nic=${nic:-${path##*/}} ;; esac
done
[ -e "/sys/class/net/$nic/device" ] || skip "no interface of bnxt_en"
pci=$(basename "$(readlink -f "/sys/class/net/$nic/device")")
remote=${REMOTE:-192.0.2.2}
reset=/sys/class/net/$nic/device/reset

[ -w "$reset" ] || skip "the function cannot be reset"
ping -c 3 -W 1 -I "$nic" "$remote" >/dev/null || skip "$remote does not answer before the reset (set REMOTE)"
echo 1 >"$reset" || skip "the reset failed"
sleep 2
if ping -c 3 -W 2 -I "$nic" "$remote"; then
	echo "absent: $remote still answers"
	exit 0
fi
echo "SHOWN: nothing comes through, and $nic says $(cat "/sys/class/net/$nic/operstate")"
exit 1
