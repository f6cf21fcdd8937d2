# SPDX-License-Identifier: GPL-2.0-only
# listening PID: wait until that server has its socket; what it needs is in any root, /proc.
listening() {
	port=$(printf ':%04X 0' "$ZCRX_PORT")
	while ! grep -q "${port}.* 0A " /proc/net/tcp /proc/net/tcp6; do
		kill -0 "$1" 2>/dev/null || { wait "$1"; exit 1; }
		sleep 0.1
	done
}
