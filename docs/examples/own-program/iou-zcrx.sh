#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own iou-zcrx, unmodified: one program for both ends. docs/own-program.md
set -eu
. "$(dirname "$0")/listening.sh"
./iou-zcrx -s -p "$ZCRX_PORT" -i "$NETIF" -q "$ZCRX_QUEUE" &
server=$!
listening "$server"
$REMOTE_RUN ./iou-zcrx -c -h "$LOCAL_V6" -p "$ZCRX_PORT" -l 12840
wait $server
echo "12840 bytes received"
