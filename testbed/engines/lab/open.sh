# SPDX-License-Identifier: GPL-2.0-only
# Make an empty folder on a lab machine, or take over what a dead session left in it:
# sh -c "$(cat open.sh)" sh FOLDER WAIT_S. A session that lives, or is being undone, is waited for.
set -eu
folder=$1 wait_s=$2
umask 077
boot=$(cat /proc/sys/kernel/random/boot_id)
if [ -e "$folder" ] || [ -L "$folder" ]; then
	[ -d "$folder" ] && [ ! -L "$folder" ] && [ -O "$folder" ] || {
		echo "$folder exists and is not ours" >&2
		exit 1
	}
	# a session that had no state guard yet has changed nothing
	[ -e "$folder/lock" ] && watched=yes || watched=''
	if [ "$(cat "$folder/boot" 2>/dev/null)" = "$boot" ] && [ -x "$folder/bin/lab_guard" ]; then
		"$folder/bin/lab_guard" "$folder" wait "$wait_s" || {
			echo "another session uses the interface ($folder is locked)" >&2
			exit 1
		}
		if [ -n "$watched" ] && [ -d "$folder/saved" ]; then # whoever should have put it back was killed
			"$folder/bin/lab_guard" "$folder" 1 </dev/null >&2
			[ ! -e "$folder" ] || exit 1
		fi
	fi
	rm -rf "$folder"
fi
mkdir "$folder"
echo "$boot" >"$folder/boot"
