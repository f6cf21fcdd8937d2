# SPDX-License-Identifier: GPL-2.0-only
# Mounts what a guest was given besides its own image. Arguments: NAME=DEVICE ...
#   share=    the host's folder, at /share
#   packages= Debian packages over the guest's own /usr, and behind its own /etc
#   root=     a root file system at /layers/root, to be changed as one likes, with this guest's
#             devices, kernel file systems, modules and /share in it; /run/busybox is there for one
#             that lacks even nsenter
set -eu
places=/layers
mkdir -p $places
mount -t tmpfs -o mode=0755 layers $places

# PLACE LOWER: an overlay whose changes stay in memory
lay() {
	name=$(echo "$1" | tr / -)
	mkdir -p "$1" $places/upper"$name" $places/work"$name"
	mount -t overlay -o lowerdir="$2",upperdir=$places/upper"$name",workdir=$places/work"$name" layer "$1"
}

packages() {
	! mountpoint -q /usr/lib/modules || modules=$places/modules
	[ -z "${modules-}" ] || { mkdir $modules && mount --bind /usr/lib/modules $modules; }
	[ ! -d "$1/etc" ] || lay /etc /etc:"$1/etc"
	lay /usr "$1/usr:/usr"
	[ -z "${modules-}" ] || mount --move $modules /usr/lib/modules
}

root() {
	lay $places/root "$1"
	cd $places/root
	mkdir -p dev proc sys run tmp root share
	for place in dev proc sys run tmp share; do
		mount --rbind /$place ./$place
	done
	! mountpoint -q /usr/lib/modules || {
		mkdir -p lib/modules && mount --rbind /usr/lib/modules ./lib/modules
	}
	cp /usr/bin/busybox /run/busybox
	for name in hosts nsswitch.conf; do
		[ -e etc/$name ] || { mkdir -p etc && cp /etc/$name etc/$name; }
	done
}

for word; do
	name=${word%%=*} device=${word#*=}
	if [ "$name" = share ]; then
		mount -t erofs -o ro,nosuid,nodev "$device" /share
		continue
	fi
	mkdir $places/lower-"$name"
	mount -t erofs -o ro "$device" $places/lower-"$name"
	"$name" $places/lower-"$name"
done
