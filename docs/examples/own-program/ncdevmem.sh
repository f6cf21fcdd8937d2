#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own ncdevmem, unmodified: device memory TCP. -n: the queue is ready already.
# docs/own-program.md
set -eu
. "$(dirname "$0")/listening.sh"
modprobe udmabuf 2>/dev/null || [ -e /dev/udmabuf ]
./ncdevmem -l -f "$NETIF" -s "$LOCAL_V6" -p "$ZCRX_PORT" -t "$ZCRX_QUEUE" -q 1 -n -v 7 \
	>/tmp/out 2>&1 &
server=$!
listening "$server"
# -v 7 expects the bytes 1 to 6 and a line feed, again and again
yes "$(printf '\1\2\3\4\5\6')" | head -c 1M |
	$REMOTE_RUN socat -u -b 65536 - "TCP:[$LOCAL_V6]:$ZCRX_PORT"
wait $server || { tail -n 20 /tmp/out; exit 1; }
tail -n 4 /tmp/out
grep -q "total_received=1048576" /tmp/out
