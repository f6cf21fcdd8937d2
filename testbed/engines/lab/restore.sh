# SPDX-License-Identifier: GPL-2.0-only
# The state of an interface of a lab machine: sh restore.sh FOLDER save, and sh restore.sh FOLDER.
#
# "save" writes it to FOLDER/saved and prints it. Without "save" whatever differs from it is put
# back, until nothing does: then FOLDER is removed and "restored" printed; or the differences, with
# exit status 1, after MOST_PASSES. FOLDER/settings says which interface:
#   interface=NAME, netns=NAME or nothing, pci_address=ADDRESS or nothing, driver=NAME
set -u
folder=$1 verb=${2-restore}
MOST_PASSES=60
export PATH="$folder/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C
interface='' netns='' pci_address='' driver=''
. "$folder/settings"
if [ -n "$netns" ] && [ -z "${TESTBED_LAB_NETNS-}" ]; then
	TESTBED_LAB_NETNS=$netns exec ip netns exec "$netns" sh "$0" "$@"
fi

header_split() { # "on 256", "auto" ..., or nothing
	set -- $(ethtool -g "$interface" 2>/dev/null | sed -n '/^Current/,$ {
		s/^TCP data split:[[:space:]]*\(on\|off\|auto\)$/\1/p
		s/^HDS thresh:[[:space:]]*\([0-9]*\)$/\1/p
	}')
	echo "$*"
}

addresses() {
	ip -o address show dev "$interface" | sed 's/^[0-9]*: *//; s/ *\\.*//; s/ dynamic//; s/ nodad//; s/ proto [^ ]*//; s/ *$//' | sort
}

routes() {
	ip "$1" route show dev "$interface" | sed 's/ linkdown//; s/ dead//; s/ expires [^ ]*//; s/ *$//' | sort
}

neighbours() {
	ip neighbour show dev "$interface" nud permanent | sed 's/ *$//' | sort
}

attributes() {
	set --
	for file in /proc/sys/net/ipv[46]/conf/"$interface"/* \
		/proc/sys/net/ipv[46]/neigh/"$interface"/* /proc/sys/vm/nr_hugepages \
		/sys/class/net/"$interface"/gro_flush_timeout \
		/sys/class/net/"$interface"/napi_defer_hard_irqs \
		/sys/class/net/"$interface"/threaded; do
		case $file in */stable_secret | *_ms) continue ;; esac # the latter: *_time in other words
		set -- "$@" "$file"
	done
	grep -sH . /dev/null "$@"
}

programs() { # XDP
	ip -d link show dev "$interface" | sed -n 's/.*\(prog\/xdp id [0-9]*\).*/\1/p'
}

look() { # into folder $1, a file for each part
	mkdir -p "$1"
	lab_state "$interface" show >"$1/settings" 2>&1
	{
		echo "header split: $(header_split)"
		echo "XDP: $(programs)"
		read -r carrier <"/sys/class/net/$interface/carrier"
		echo "carrier: ${carrier-none}"
		[ -z "$pci_address" ] || echo "driver: $(bound_driver)"
	} >"$1/more" 2>/dev/null
	addresses >"$1/addresses"
	routes -4 >"$1/routes-4"
	routes -6 >"$1/routes-6"
	neighbours >"$1/neighbours"
	attributes >"$1/attributes"
}

in_words() {
	for part in settings more addresses routes-4 routes-6 neighbours attributes; do
		sed "s|^|$part: |" "$1/$part"
	done
}

missing() { # lines of part $1 that were there
	grep -vxFf "$folder/now/$1" "$folder/saved/$1"
}

added() { # lines of part $1 that were not there
	grep -vxFf "$folder/saved/$1" "$folder/now/$1"
}

bound_driver() {
	link=$(readlink "/sys/bus/pci/devices/$pci_address/driver") && echo "${link##*/}"
}

find_interface() {
	device=/sys/bus/pci/devices/$pci_address
	[ -e "$device" ] || echo 1 >/sys/bus/pci/rescan
	if [ "$(bound_driver)" != "$driver" ]; then
		modprobe "$driver"
		[ "$(bound_driver)" = "$driver" ] || echo "$pci_address" >"/sys/bus/pci/drivers/$driver/bind"
	fi
	for path in "$device"/net/*; do
		name=${path##*/}
		if [ -e "$path" ] && [ "$name" != "$interface" ]; then
			ip link set dev "$name" down
			ip link set dev "$name" name "$interface"
		fi
	done
}

restore_header_split() {
	before=$(sed -n 's/^header split: //p' "$folder/saved/more")
	split=${before%% *} threshold=${before#* }
	case $before in
	[oa]*\ *) set -- hds-thresh "$threshold" ;;
	[oa]*) set -- ;;
	*) return ;;
	esac
	if [ "$before" != "$(header_split)" ]; then
		# what the driver chose by itself shows as on or off; try that first
		ethtool -G "$interface" tcp-data-split auto "$@" || ethtool -G "$interface" "$@"
		[ "$before" = "$(header_split)" ] || ethtool -G "$interface" tcp-data-split "$split"
	fi
}

add_address() { # a line of "ip -o address show"
	family=$2 address=$3
	shift 3
	words=''
	while [ $# -gt 0 ]; do
		case $1 in
		brd | scope | peer | metric) words="$words $1 $2" && shift ;;
		noprefixroute | home | nodad | mngtmpaddr) words="$words $1" ;;
		"$interface":*) words="$words label $1" ;;
		esac
		shift
	done
	[ "$family" = inet ] || words="$words nodad"
	ip address add "$address" $words dev "$interface"
}

restore_addresses() {
	added addresses | while read -r _ _ address _; do
		ip address del "$address" dev "$interface"
	done
	missing addresses | while read -r line; do
		add_address $line
	done
}

restore_lists() {
	for version in -4 -6; do
		added "routes$version" | while read -r line; do
			ip "$version" route del $line dev "$interface"
		done
		missing "routes$version" | grep -v 'proto kernel' | while read -r line; do
			ip "$version" route replace $line dev "$interface"
		done
	done
	added neighbours | while read -r line; do
		ip neighbour del ${line%% *} dev "$interface"
	done
	missing neighbours | while read -r address _ mac _; do
		ip neighbour replace "$address" lladdr "$mac" nud permanent dev "$interface"
	done
	missing attributes | while IFS=: read -r file value; do
		echo "$value" >"$file"
	done
}

# A CPU that is done with a packet it made keeps it until it receives again (skb_attempt_defer_free()
# in net/core/skbuff.c), and with it the memory provider of a program that was killed.
let_every_cpu_receive() {
	cpu=$(nproc)
	while [ "$cpu" -gt 0 ]; do
		cpu=$((cpu - 1))
		taskset -c "$cpu" ping -q -c 1 -W 1 127.0.0.1
	done
}

put_back() {
	[ -z "$(programs)" ] || ip link set dev "$interface" xdp off
	[ -z "$(programs)" ] || ip link set dev "$interface" xdpgeneric off
	lab_state "$interface" restore "$folder/state"
	restore_header_split
	lab_state "$interface" restore "$folder/state"
	restore_addresses
	restore_lists
}

is_as_before() {
	[ -z "$pci_address" ] || find_interface
	look "$folder/now"
	diff -r "$folder/saved" "$folder/now" >"$folder/difference"
}

if [ "$verb" = save ]; then
	lab_state "$interface" save "$folder/state" || exit 1
	look "$folder/saving"
	mv "$folder/saving" "$folder/saved"
	in_words "$folder/saved"
	exit
fi
passes=0
until is_as_before 2>>"$folder/log"; do
	passes=$((passes + 1))
	if [ "$passes" -gt "$MOST_PASSES" ]; then
		echo "not restored:"
		cat "$folder/difference"
		tail -n 20 "$folder/log"
		exit 1
	fi
	let_every_cpu_receive >/dev/null 2>&1
	put_back >>"$folder/log" 2>&1
	[ "$passes" -eq 1 ] || sleep 0.5
done
rm -rf "$folder"
echo restored
