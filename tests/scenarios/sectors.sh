# SPDX-License-Identifier: Apache-2.0
# Requests of 512 bytes to images whose clusters are copied when they are written: overlays and
# images with snapshots, kept in files of ext4, XFS and btrfs, on a loop device and on a logical
# volume. Daemons are killed meanwhile; whatever was answered is there after del, a dropped
# cache and add, for us and for qemu-img.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
load_driver
modprobe -a loop ext4 xfs btrfs dm_mod

kills=1 io=2M files=40 data=3
[ "$SIZE" = small ] || { kills=4 io=8M files=400 data=40; }
mnt=$work/mnt store=$work/store
mkdir "$mnt" "$store" tree
python3 "$(dirname "$0")/tree.py" tree 1 "$files" "$data"
(cd tree && find . -type f -print0 | xargs -0 md5sum) >sums

qemu-img create -q -f qcow2 base.qcow2 320M
add base.qcow2
head -c 48M /dev/urandom | dd of="$dev" bs=1M iflag=fullblock oflag=direct status=none
del

# place STORE: sets image to where an image can be made there.
place() {
	truncate -s 800M disk
	loop=$(losetup -f --show disk)
	case $1 in
	loop) image=$loop ;;
	lv)
		pvcreate -q "$loop" >/dev/null
		vgcreate -q tests "$loop" >/dev/null
		lvcreate -qq -an -Zn -L 700M -n disk tests >/dev/null
		lvchange -ay tests/disk
		image=/dev/mapper/tests-disk
		;;
	*)
		"mkfs.$1" -q "$loop"
		mount -t "$1" "$loop" "$store"
		image=$store/disk.qcow2
		;;
	esac
}

displace() {
	case $1 in
	loop) ;;
	lv) vgremove -q -f tests >/dev/null ;;
	*) umount "$store" ;;
	esac
	losetup -d "$loop"
	rm disk
}

# make KIND: the image, with data below every cluster that is written.
make() {
	case $1 in
	overlay) qemu-img create -q -f qcow2 -b "$work/base.qcow2" -F qcow2 "$image" 320M ;;
	snapshot)
		qemu-img create -q -f qcow2 "$image" 320M
		qemu-img convert -n -O qcow2 base.qcow2 "$image"
		qemu-img snapshot -c before "$image"
		;;
	esac
}

up() { add "$image" --allow-backing; }

# again: the device goes and comes, and nothing of the image is in any cache.
again() {
	del
	sync
	echo 3 >/proc/sys/vm/drop_caches
	up
}

contents() { dd if="$dev" bs=1M count=48 iflag=direct status=none | sha256sum; }

small_writes() {
	fio --name=small --filename="$dev" --direct=1 --ioengine=io_uring --iodepth=32 --rw=randwrite --bs=512 --size=48M --io_size=$io \
		--verify=crc32c --verify_fatal=1 --output=fio.log
}

# filesystem TYPE OPTIONS...: a tree copied to it is there when the device has gone and come.
filesystem() {
	local type=$1
	shift
	"mkfs.$type" -q "$@" "$dev"
	mount -t "$type" "$dev" "$mnt"
	cp -r tree "$mnt/tree"
	umount "$mnt"
	again
	mount -t "$type" "$dev" "$mnt"
	(cd "$mnt/tree" && md5sum --quiet -c "$work/sums") || die "$type: checksums differ"
	umount "$mnt"
}

# judge KIND: our check, qemu-img's, and every byte as qemu-img reads it.
judge() {
	zqublkd check "$image" >log || die "zqublkd check: $(<log)"
	qemu-img check -q "$image" >log 2>&1 || die "qemu-img check: $(<log)"
	up
	qemu-img compare -q -U -T none -f qcow2 -F raw "$image" "$dev" || die "$image and $dev differ"
	del
}

for where in ext4 xfs btrfs loop lv; do
	for kind in overlay snapshot; do
		place $where
		make $kind
		up
		deaths=0
		deaths_under "$kills" small_writes
		before=$(contents)
		again
		equal "what fio wrote" "$(contents)" "$before"
		filesystem xfs -f -s size=512
		filesystem ext4 -F -b 1024
		del
		judge $kind
		displace $where
		pass "$where, $kind: $deaths deaths, 512-byte writes and file systems"
	done
done
leftovers
