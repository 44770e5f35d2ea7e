# SPDX-License-Identifier: Apache-2.0
# The main job, shown: an image becomes a zoned block device, a file system
# lives on it, and everything is there when the device comes back.
set -Eeuo pipefail
work=$(mktemp -d)
cd "$work"
dev= mounted=
tidy() {
	[ -z "$mounted" ] || umount "$work/mnt"
	[ -z "$dev" ] || zqublkd del "$dev"
	cd / && rm -rf "$work"
}
trap tidy EXIT

run() {
	echo
	echo "# $*"
	"$@"
}

add() {
	echo
	echo "# zqublkd add disk.qcow2"
	dev=$(zqublkd add disk.qcow2)
	echo "$dev"
}

mount_it() {
	run mount "$dev" mnt
	mounted=yes
}

umount_it() {
	run umount mnt
	mounted=
}

del() {
	run zqublkd del "$dev"
	dev=
}

modprobe -q btrfs || true
mkdir mnt
echo "# uname -r"
uname -r
run zqublkd create -o size=512M,zone.mode=host-managed,zone.size=16M,zone.max_open_zones=10,zone.max_active_zones=12 disk.qcow2
add
queue=/sys/block/${dev#/dev/}/queue
run grep . "$queue/zoned" "$queue/nr_zones" "$queue/max_open_zones" "$queue/max_active_zones"
run blkzone report -c 3 "$dev"
run mkfs.btrfs -q -O zoned -d single -m single "$dev"
mount_it
run cp -r /etc/. mnt/
head -c 32M /dev/urandom >mnt/random
(cd mnt && find . -type f -exec sha256sum {} + >"$work/sums")
run wc -l sums
umount_it
run zqublkd info -U disk.qcow2
del
run zqublkd check disk.qcow2

echo
echo "# --- the daemon is gone; serve the image again ---"
add
mount_it
(cd mnt && sha256sum --quiet -c "$work/sums")
echo "every file is there, with the same checksum: $(wc -l <sums) files, $(du -sh mnt | cut -f1)"
run blkzone report -c 3 "$dev"
umount_it
del
echo
echo "demo: done"
