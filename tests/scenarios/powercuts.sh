# SPDX-License-Identifier: Apache-2.0
# Power cuts on live devices under file systems, on zoned images and a plain one, with the
# write cache of a drive: what was fsynced is there, no checker finds damage, and the same
# seed leaves the same image.
. "$(dirname "$0")/lib.sh"
load_driver

cuts=1 # of each file system
[ "$SIZE" = small ] || cuts=60
: "${SEED:=$((RANDOM * 32768 + RANDOM))}"
say "seeds from $SEED on"
mnt=$work/mnt
mkdir "$mnt"
total=0
zoned="size=640M,zone.mode=host-managed,zone.size=16M,zone.conventional_zones=20"

# safe_and_lost: one file that is fsynced, much that is not.
safe_and_lost() {
	head -c $((500000 + RANDOM * 20)) /dev/urandom >"safe$1"
	dd if="safe$1" of="$mnt/safe$1" bs=64k conv=fsync status=none
	head -c 3M /dev/urandom | dd of="$mnt/lost$1" bs=64k status=none
	[ $((RANDOM % 2)) = 0 ] || dd if=/dev/urandom of="$mnt/safe$1.more" bs=4k count=$((RANDOM % 64)) oflag=direct status=none 2>/dev/null || true
}

# cuts_of NAME OPTIONS: power cuts one after another, of a file system that is made once. Its
# functions are make_, mount_ and check_NAME; with a journal it is checked after a mount.
cuts_of() {
	local name=$1 k j seed
	zqublkd create --force -q -o "$2" disk.qcow2
	add disk.qcow2 --volatile-cache
	"make_$name" "$dev"
	for ((k = 1; k <= cuts; k++)); do
		seed=$((SEED + total++))
		"mount_$name" "$dev" "$mnt"
		safe_and_lost "$k"
		zqublkd powercut "$dev" --seed "$seed" >out 2>&1
		grep -q '^zqublkd: note' out && die "with its cache the device has more to say: $(<out)"
		umount "$mnt"
		del
		until_ok no_devices
		zqublkd check disk.qcow2 >out || [ $? = 3 ] || die "$name, seed $seed: check: $(<out)"
		add disk.qcow2 --volatile-cache
		"mount_$name" "$dev" "$mnt"
		for ((j = k > 3 ? k - 3 : 1; j <= k; j++)); do cmp "safe$j" "$mnt/safe$j" || die "$name, seed $seed: fsynced file $j is not there"; done
		rm -f "$mnt"/lost[0-9]* "$mnt/safe$((k - 4))" "$mnt/safe$k.more" "safe$((k - 4))"
		umount "$mnt"
		"check_$name" "$dev" >out 2>&1 || die "$name, seed $seed: $(<out)"
	done
	del
	case $2 in
	*zone*) verify_image disk.qcow2 ;;
	*) verify_plain disk.qcow2 ;;
	esac
	rm -f safe*
	pass "$cuts cuts, $name, fsynced files there"
}

make_btrfs() { mkfs.btrfs -q -f -O zoned "$1"; }
mount_btrfs() { mount -t btrfs "$1" "$2"; }
check_btrfs() { btrfs check "$1"; }
make_f2fs() { mkfs.f2fs -q -f -m "$1"; }
mount_f2fs() { mount -t f2fs "$1" "$2"; }
check_f2fs() { fsck.f2fs -f --dry-run "$1" | tee log && ! grep -qF '[Fail]' log; }
make_xfs() { mkfs.xfs -q -f -r zoned=1 "$1"; }
mount_xfs() { mount -t xfs "$1" "$2"; }
check_xfs() { xfs_repair -n "$1"; }
make_ext4() { mkfs.ext4 -q -F "$1"; }
mount_ext4() { mount -t ext4 "$1" "$2"; }
check_ext4() { e2fsck -fn "$1"; }

# cut_zonefs: each file is a zone; what was fsynced of it is there.
cut_zonefs() {
	local k seed file size
	zqublkd create --force -q -o size=128M,zone.mode=host-managed,zone.size=4M,zone.conventional_zones=1 disk.qcow2
	add disk.qcow2 --volatile-cache
	mkzonefs -f "$dev" >/dev/null
	for ((k = 0; k < cuts; k++)); do
		seed=$((SEED + total++)) file=$mnt/seq/$((k % 30))
		mount -t zonefs "$dev" "$mnt"
		truncate -s 0 "$file"
		head -c $((4096 * (1 + RANDOM % 200))) /dev/urandom >safe
		size=$(stat -c %s safe)
		dd if=safe of="$file" bs=$size oflag=direct,append conv=notrunc,fsync status=none
		dd if=/dev/urandom of="$file" bs=64k count=8 oflag=direct,append conv=notrunc status=none
		zqublkd powercut "$dev" --seed "$seed" >/dev/null
		umount "$mnt"
		del
		until_ok no_devices
		add disk.qcow2 --volatile-cache
		mount -t zonefs "$dev" "$mnt"
		[ "$(stat -c %s "$file")" -ge "$size" ] || die "zonefs, seed $seed: $(stat -c %s "$file") of $size bytes are there"
		cmp -n "$size" safe "$file" || die "zonefs, seed $seed: what was fsynced is not there"
		umount "$mnt"
	done
	del
	verify_image disk.qcow2
	pass "$cuts cuts, zonefs, what was fsynced is there"
}

# once SEED: what a cut with it leaves of the same writes, as one sum of the disk.
once() {
	zqublkd create --force -q -o size=64M,zone.mode=host-managed,zone.size=4M,zone.conventional_zones=2 disk.qcow2
	add disk.qcow2 --volatile-cache --queues 1
	local at
	for at in 0 1 8 12 16; do
		dd if=<(yes "first $at" || true) of="$dev" bs=64k count=4 iflag=fullblock oflag=direct,seek_bytes seek=$((at << 20)) conv=notrunc status=none
	done
	blockdev --flushbufs "$dev"
	sync "$dev"
	for at in 0 1; do
		dd if=<(yes "second $at" || true) of="$dev" bs=64k count=4 iflag=fullblock oflag=direct,seek_bytes seek=$((at << 20)) conv=notrunc status=none
	done
	for at in 8 12 16; do
		dd if=<(yes "second $at" || true) of="$dev" bs=64k count=8 iflag=fullblock oflag=direct,seek_bytes seek=$(((at << 20) + (256 << 10))) conv=notrunc status=none
	done
	zqublkd powercut "$dev" --seed "$1" >/dev/null
	del
	zqublkd export -q --format raw --force disk.qcow2 disk.raw
	sha256sum <disk.raw | cut -d' ' -f1
}

modprobe -a btrfs f2fs ext4 zonefs
cuts_of btrfs "$zoned"
cuts_of f2fs "$zoned"
cuts_of ext4 size=256M
cut_zonefs
case $kernel in 6.*) ;; *) modprobe xfs && cuts_of xfs "$zoned" ;; esac
first=$(once 7) again=$(once 7) other=$(once 8)
equal "the disk after the same cut" "$again" "$first"
[ "$other" != "$first" ] || die "another seed leaves the same"
pass "the same seed leaves the same disk, another one another"
leftovers
