# SPDX-License-Identifier: Apache-2.0
# SIGKILL of the daemon under mounted file systems: btrfs and f2fs on zones,
# ext4 on a plain image. Nobody sees an error and every file is right.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
load_driver
kills=2 files=200 mib=8
[ "$SIZE" = full ] && kills=20 files=600 mib=40

src=$work/tree sums=$work/sums mnt=$work/mnt
mkdir "$src" "$mnt"
python3 "$(dirname "$0")/tree.py" "$src" 1 "$files" "$mib"
(cd "$src" && find . -type f -print0 | xargs -0 md5sum) >"$sums"

# load: the tree is written, read back from the disk and removed.
load() {
	cp -a "$src" "$mnt/t" && sync -f "$mnt" && echo 3 >/proc/sys/vm/drop_caches &&
		(cd "$mnt/t" && md5sum --quiet -c "$sums") && rm -r "$mnt/t"
}

# life NAME IMAGE: of a file system while its daemon dies; make_fs and check_fs
# work on dev.
life() {
	local before=$deaths
	add "$2" --recovery=reissue --recovery-limit=0
	make_fs
	mount -t "$1" "$dev" "$mnt"
	deaths_under $kills load
	cp -a "$src" "$mnt/t"
	death
	umount "$mnt"
	death
	mount -t "$1" "$dev" "$mnt"
	(cd "$mnt/t" && md5sum --quiet -c "$sums") || die "$1: checksums differ"
	umount "$mnt"
	check_fs >check 2>&1 || die "check of $1: $(cat check)"
	no_io_errors
	del
	pass "$((deaths - before)) deaths under $1"
}

modprobe btrfs
make_fs() { mkfs.btrfs -q -f -O zoned "$dev"; }
check_fs() { btrfs check "$dev"; }
zqublkd create -o zone.mode=host-managed,size=512M,zone.size=8M,zone.max_open_zones=12,zone.max_active_zones=14 btrfs.qcow2 >/dev/null
life btrfs btrfs.qcow2
verify_image btrfs.qcow2

make_fs() { mkfs.f2fs -q -f -m "$dev"; }
check_fs() { fsck.f2fs -f --dry-run "$dev" >fsck && ! grep -F '[Fail]' fsck; }
zqublkd create -o zone.mode=host-managed,size=512M,zone.size=8M,zone.conventional_zones=16 f2fs.qcow2 >/dev/null
life f2fs f2fs.qcow2
verify_image f2fs.qcow2

make_fs() { mkfs.ext4 -q "$dev"; }
check_fs() { e2fsck -fn "$dev"; }
qemu-img create -q -f qcow2 ext4.qcow2 256M
life ext4 ext4.qcow2
verify_plain ext4.qcow2
leftovers
pass done
