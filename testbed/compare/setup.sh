# SPDX-License-Identifier: GPL-2.0-only
# Makes nut0 ready to receive one stream on its last queue. One script: each command from outside
# costs a counted guest more than all of these.
# Arguments: MTU, "on" or "off" for hardware GRO, vCPU of the interrupts, MAC and IPv4 of the
# source, local port of the stream, 2 MiB pages wanted.
set -eu
mtu=$1 gro=$2 cpu=$3 mac=$4 source=$5 port=$6 pages=$7
queues=4

ip link set dev nut0 mtu "$mtu"
ip neigh replace "$source" lladdr "$mac" dev nut0 nud permanent
for rule in $(ethtool -n nut0 | sed -n 's/^Filter: //p'); do
	ethtool -N nut0 delete "$rule"
done
ethtool -L nut0 combined $queues 2>/dev/null || :  # refused when it is so already
ethtool -G nut0 tcp-data-split on hds-thresh 0 rx 1023 2>/dev/null || :
ethtool -K nut0 ntuple on rx-gro-hw "$gro" lro off
ethtool -X nut0 equal $((queues - 1))
ethtool -N nut0 flow-type tcp4 dst-port "$port" action $((queues - 1)) >/dev/null
# randomize_va_space: the program always lies alike; the others: nothing comes round every so often
sysctl -qw vm.nr_hugepages="$pages" vm.stat_interval=3600 kernel.randomize_va_space=0
sysctl -qew vm.compaction_proactiveness=0 vm.dirty_writeback_centisecs=0 kernel.watchdog=0 \
	kernel.hung_task_timeout_secs=0
damon=/sys/module/damon_stat/parameters/enabled  # a thread that samples pages all the time
[ ! -w $damon ] || echo N >$damon
for number in $(sed -n 's/^ *\([0-9]*\):.*nut0.*/\1/p' /proc/interrupts); do
	echo "$cpu" >"/proc/irq/$number/smp_affinity_list"
done
ethtool -g nut0 | grep -q 'TCP data split:.*on' || { echo "header split is off" >&2; exit 1; }
[ "$(cat /proc/sys/vm/nr_hugepages)" -ge "$pages" ] || { echo "no huge pages" >&2; exit 1; }
