# SPDX-License-Identifier: GPL-2.0-only
# Runs each operation of standard input, "NUMBER<TAB>COMMAND<TAB>UNDO", and prints how it ended; then
# the kernel's log, with a line of ours where each began.
PCI=pci/$(basename "$(readlink -f /sys/class/net/nut0/device)")
export PCI
echo on >/proc/sys/kernel/printk_devkmsg
tab=$(printf '\t')
while IFS="$tab" read -r number command undo; do
	echo "<6>operation $number begins" >/dev/kmsg
	timeout 120 sh -c "$command" </dev/null >/tmp/said 2>&1
	code=$?
	echo "=== $number $code"
	head -c 2000 /tmp/said
	echo
	[ -z "$undo" ] || timeout 120 sh -c "$undo" </dev/null >/dev/null 2>&1
done
echo "<6>operation end begins" >/dev/kmsg
echo "=== log 0"
dmesg -r
