#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# liburing's examples/zcrx.c, unmodified, compiled here against the liburing-dev of the guest.
# /share is liburing's source tree. docs/own-program.md
set -eu
. "$(dirname "$0")/listening.sh"
bytes=8388608
gcc -O2 -D_GNU_SOURCE -I/share/examples -o /tmp/zcrx \
	/share/examples/zcrx.c /share/examples/helpers.c -luring
# it serves for ever, and what it says of a connection would stay in its buffer
stdbuf -oL /tmp/zcrx -i "$NETIF" -q "$ZCRX_QUEUE" -p "$ZCRX_PORT" -v >/tmp/out 2>&1 &
server=$!
listening "$server"
# -v expects the letters from a to z, again and again
yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c $bytes |
	$REMOTE_RUN /usr/bin/env nc "$LOCAL_V4" "$ZCRX_PORT" || :
tries=0
until grep -q terminated /tmp/out || [ $((tries += 1)) -gt 100 ]; do sleep 0.1; done
kill $server || :
cat /tmp/out
grep -q "received $bytes," /tmp/out
