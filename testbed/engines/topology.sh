# SPDX-License-Identifier: GPL-2.0-only
# One guest, both ends of the wire: the NIC under test stays here as nut0, the virtio-net NIC moves
# to network namespace "peer" as peer0 (the topology of the kernel's own driver tests).
# Arguments: driver of the NIC under test, MAC of the peer, local and remote IPv4, local and
# remote IPv6, seconds to wait for link, and for NICs that are being plugged in, the PCI addresses
# of those. Prints "KEY value" lines about the NIC under test.
# Starts few programs: each costs a UML guest as much as the whole probe of the driver.
set -eu
driver=$1 peer_mac=$2 local4=$3 remote4=$4 local6=$5 remote6=$6 patience_s=$7 plug_patience_s=$8
shift 8

fail() {
	echo "topology: $*" >&2
	exit 1
}

bound() {
	for path in /sys/bus/*/drivers/"$1"; do
		[ ! -e "$path" ] || return 0
	done
	return 1
}

# DMA_API_DEBUG says only its first complaint unless told otherwise
all_errors=/sys/kernel/debug/dma-api/all_errors
[ ! -w "$all_errors" ] || echo 1 >"$all_errors"

for plugged; do
	tries=$((plug_patience_s * 100))
	while [ ! -e "/sys/bus/pci/devices/$plugged" ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "$plugged was plugged in and not found"
		sleep 0.01
	done
done
# whoever finds them holds the lock that this takes until their drivers have probed them
[ $# = 0 ] || echo 1 >/sys/bus/pci/rescan

for module in virtio_net "$driver"; do
	# a kernel of one's own may have them built in
	bound "$module" || modprobe "$module" || fail "cannot load $module"
done

nut='' peer=''
for path in /sys/class/net/*; do
	[ -e "$path/device" ] || continue
	read -r mac <"$path/address"
	if [ "$mac" = "$peer_mac" ]; then
		peer=${path##*/}
	elif [ "$mac" != 02:00:00:00:01:03 ]; then # not that of a management network
		nut=${path##*/}
	fi
done
[ -n "$nut" ] || fail "$driver has bound no network device"
[ -n "$peer" ] || fail "the peer's virtio-net device is missing"

conf=/proc/sys/net/ipv6/conf inherit=/proc/sys/net/core/devconf_inherit_init_net
# Addresses stay when an interface goes down, nobody waits for routers; a namespace can inherit that.
read -r inherited <$inherit || :  # a setting is read in one piece, without its end of line
read -r keep <$conf/default/keep_addr_on_down || :
read -r accept <$conf/default/accept_ra || :
for name in default "$nut"; do
	echo 1 >"$conf/$name/keep_addr_on_down"
	echo 0 >"$conf/$name/accept_ra"
done
echo 1 >$inherit
net_setup "
	namespace peer
	move $peer peer peer0
	down $nut
	name $nut nut0
	address nut0 $local4 24
	address nut0 $local6 64
	up nut0
	enter peer
	up lo
	address peer0 $remote4 24
	address peer0 $remote6 64
	up peer0"
echo "$inherited" >$inherit
echo "$keep" >$conf/default/keep_addr_on_down
echo "$accept" >$conf/default/accept_ra

tries=$((patience_s * 20))
while ! read -r carrier </sys/class/net/nut0/carrier 2>/dev/null || [ "$carrier" != 1 ]; do
	tries=$((tries - 1))
	[ "$tries" -gt 0 ] || fail "nut0 has no link after $patience_s s"
	sleep 0.05
done
cd -P /sys/class/net/nut0/device/driver
echo "driver ${PWD##*/}"
cd -P /sys/class/net/nut0/device
echo "address ${PWD##*/}"
