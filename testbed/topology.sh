# SPDX-License-Identifier: GPL-2.0-only
# One guest, both ends of the wire: the NIC under test stays here as nut0, the virtio-net NIC moves
# to network namespace "peer" as peer0 (the topology of the kernel's own driver tests).
# Arguments: driver of the NIC under test, MAC of the peer, local and remote IPv4, local and
# remote IPv6, seconds to wait for link. Prints "KEY value" lines about the NIC under test.
set -eu
driver=$1 peer_mac=$2 local4=$3 remote4=$4 local6=$5 remote6=$6 patience_s=$7

fail() {
	echo "topology: $*" >&2
	exit 1
}

for module in virtio_net "$driver"; do
	# a kernel of one's own may have them built in
	ls -d /sys/bus/*/drivers/"$module" >/dev/null 2>&1 || modprobe "$module" ||
		fail "cannot load $module"
done

nut='' peer=''
for path in /sys/class/net/*; do
	[ -e "$path/device" ] || continue
	if [ "$(cat "$path/address")" = "$peer_mac" ]; then
		peer=${path##*/}
	else
		nut=${path##*/}
	fi
done
[ -n "$nut" ] || fail "$driver has bound no network device"
[ -n "$peer" ] || fail "the peer's virtio-net device is missing"

ip netns add peer
ip -batch - <<-END
	link set dev $nut down
	link set dev $nut name nut0
	link set dev $peer netns peer name peer0
END
sysctl -qw net.ipv6.conf.nut0.keep_addr_on_down=1 net.ipv6.conf.nut0.accept_ra=0
ip -batch - <<-END
	addr add $local4/24 dev nut0
	addr add $local6/64 dev nut0 nodad
	link set dev nut0 up
END
ip netns exec peer sysctl -qw net.ipv6.conf.peer0.keep_addr_on_down=1 \
	net.ipv6.conf.peer0.accept_ra=0
ip -netns peer -batch - <<-END
	link set dev lo up
	addr add $remote4/24 dev peer0
	addr add $remote6/64 dev peer0 nodad
	link set dev peer0 up
END

tries=$((patience_s * 20))
while [ "$(cat /sys/class/net/nut0/carrier 2>/dev/null)" != 1 ]; do
	tries=$((tries - 1))
	[ "$tries" -gt 0 ] || fail "nut0 has no link after $patience_s s"
	sleep 0.05
done
device=$(readlink -f /sys/class/net/nut0/device)
bound=$(readlink -f /sys/class/net/nut0/device/driver)
echo "driver ${bound##*/}"
echo "address ${device##*/}"
