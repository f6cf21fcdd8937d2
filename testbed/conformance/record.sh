#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Shows the face of a network card: what driver and tools say of it. Changes nothing.
#
#     sh record.sh INTERFACE > card.txt
#
# Run it as root: configuration space and some answers are not for others. The last three bytes of
# MAC addresses, and serial numbers, are replaced, unless SCRUB=0 is in the environment.
# `testbed conformance read card.txt -o card.json` makes a recording of it.
set -u
LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
[ $# = 1 ] && [ -e "/sys/class/net/$1/device" ] || {
	echo "usage: sh record.sh INTERFACE" >&2
	exit 2
}
interface=$1
net=/sys/class/net/$interface
device=$(readlink -f "$net/device")
address=${device##*/}
scrub=${SCRUB:-1}

# section NAME COMMAND...: its output, and how it ended. NAME is that of testbed/conformance/parse.py.
section() {
	name=$1
	shift
	echo "=== $name"
	if command -v "$1" >/dev/null 2>&1; then
		"$@" </dev/null 2>&1
		echo "--- $?"
	else
		echo "--- absent"
	fi
}

# attributes FOLDER NAME...: files of sysfs that can be read.
attributes() {
	folder=$1
	shift
	for file in "$@"; do
		[ -f "$folder/$file" ] && value=$(cat "$folder/$file" 2>/dev/null) || continue
		echo "$file: $(echo "$value" | tr '\n' ' ')"
	done
}

# bars: the size of each, in bytes.
bars() {
	number=0
	while read -r first last _; do
		[ $((last)) -gt 0 ] && echo "$number: $((last - first + 1))"
		number=$((number + 1))
	done <"$device/resource"
}

config_space() {
	od -An -v -tx1 "$device/config"
}

sensors() {
	for folder in "$device"/hwmon/hwmon*; do
		[ -d "$folder" ] || continue
		attributes "$folder" $(cd "$folder" && ls)
	done
}

# directory: the first two bytes of the memory say how many entries it has.
directory() {
	ethtool -e "$interface" offset 0 length 2
}

registers() {
	ethtool -d "$interface" raw on >/dev/null && ethtool -d "$interface" raw on | wc -c
}

face() {
	section made echo "format: 1"
	section kernel uname -r
	section tools sh -c 'ethtool --version; ip -V; devlink -V'
	section pci attributes "$device" vendor device class revision subsystem_vendor \
		subsystem_device current_link_speed current_link_width max_link_speed max_link_width \
		sriov_totalvfs sriov_vf_device reset_method dma_mask_bits consistent_dma_mask_bits \
		ari_enabled numa_node irq
	section bar bars
	section config config_space
	section sysfs attributes "$net" addr_assign_type addr_len address carrier dev_id dev_port \
		duplex mtu phys_port_name phys_switch_id speed tx_queue_len type
	section hwmon sensors
	section ip ip -d link show "$interface"
	section driver ethtool -i "$interface"
	section link ethtool "$interface"
	section features ethtool -k "$interface"
	section pause ethtool -a "$interface"
	section coalesce ethtool -c "$interface"
	section rings ethtool -g "$interface"
	section channels ethtool -l "$interface"
	section rules ethtool -n "$interface"
	section rss ethtool -x "$interface"
	section timestamping ethtool -T "$interface"
	section module ethtool -m "$interface"
	section fec ethtool --show-fec "$interface"
	section eee ethtool --show-eee "$interface"
	section tunnels ethtool --show-tunnels "$interface"
	section private-flags ethtool --show-priv-flags "$interface"
	section statistics ethtool -S "$interface"
	section groups ethtool -S "$interface" --all-groups
	section permanent ethtool -P "$interface"
	section dump ethtool -w "$interface"
	section memory directory
	section registers registers
	for type in tcp4 udp4 ah4 esp4 sctp4 tcp6 udp6 ah6 esp6 sctp6; do
		section "hash-$type" ethtool -n "$interface" rx-flow-hash "$type"
	done
	section info devlink dev info "pci/$address"
	section parameters devlink dev param show "pci/$address"
	section health devlink health show "pci/$address"
	section port devlink port show "$interface"
	section switch devlink dev eswitch show "pci/$address"
	section selftests devlink dev selftests show "pci/$address"
}

# hide: MAC addresses keep the vendor's half; so does the serial number made of one, in text and as
# the bytes of its capability.
hide() {
	mac=$(cat "$net/address")
	old=$(echo "$mac" | tr -d :)
	own=$(echo "$old" | cut -c7-12)
	six=$(echo "$own" | sed 's/\(..\)\(..\)\(..\)/\3 \2 \1/')
	sed -E \
		-e 's/(([0-9a-fA-F]{2}[:-]){3})[0-9a-fA-F]{2}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}/\1xx:xx:xx/g' \
		-e 's/([0-9a-fA-F]{2}-[0-9a-fA-F]{2}-[0-9a-fA-F]{2}(-[fF]{2}-[fF][eE])?)(-[0-9a-fA-F]{2}){3}/\1-xx-xx-xx/g' \
		-e 's/((serial_number|Vendor SN|SN)[ :]+)[^ -]*[^ xX-][^ -]*$/\1xxxx/' \
		-e 's/(phys_switch_id: |switchid )[0-9a-f]+/\1xxxx/' \
		-e "s/$six fe ff/00 00 00 fe ff/"
}

if [ "$scrub" = 0 ]; then
	face
else
	face | hide
fi
