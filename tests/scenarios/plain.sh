# SPDX-License-Identifier: Apache-2.0
# Ordinary qcow2 images as ordinary disks: partitions, discard, backing files,
# snapshots that qemu-img takes in between, external data files, compressed
# clusters, an image on a block device.
. "$(dirname "$0")/lib.sh"
load_driver

mib=96 files=60 data=6 io=4
[ "$SIZE" = small ] || { mib=2048 files=1500 data=256 io=256; }
mnt=$work/mnt
mkdir "$mnt"

# partition DEVICE: one partition from 1 MiB to the end, in a table as DOS has it.
partition() {
	python3 - "$1" "$(blockdev --getsz "$1")" <<-'END'
		import struct, sys
		entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", 2048, int(sys.argv[2]) - 2048)
		with open(sys.argv[1], "r+b") as disk:
		    disk.write(b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa")
	END
	blockdev --rereadpt "$1"
}

# make_tree NAME SEED: files under the name, and their checksums in NAME.sums.
make_tree() {
	mkdir "$1"
	python3 "$(dirname "$0")/tree.py" "$1" "$2" "$files" "$data"
	(cd "$1" && find . -type f -print0 | xargs -0 md5sum) >"$work/$1.sums"
}

# has NAME: the tree is on the mounted file system.
has() { (cd "$mnt/$1" && md5sum --quiet -c "$work/$1.sums") || die "$1: checksums differ"; }

# up IMAGE [OPTIONS]: serves it and mounts its partition, which is there at once.
up() {
	add "$@"
	[ -b "${dev}p1" ] || die "${dev}p1 is not there: the partition table was not read"
	mount -t ext4 -o noinit_itable "${dev}p1" "$mnt"
}

down() {
	umount "$mnt"
	fsck.ext4 -fn "${dev}p1" >log 2>&1 || die "fsck: $(<log)"
	del
}

# format IMAGE [OPTIONS]: a partition with a file system.
format() {
	add "$@"
	partition "$dev"
	mkfs.ext4 -q -E nodiscard "${dev}p1"
	del
}

# checked IMAGE: our check and that of qemu-img find nothing, no leak either.
checked() {
	zqublkd check "$1" >log || die "zqublkd check $1: $(<log)"
	qemu-img check -q "$1" >log 2>&1 || die "qemu-img check $1: $(qemu-img check "$1" 2>&1)"
}

# verify IMAGE [OPTIONS]: it is checked; qemu-img, our export and the device agree
# about every byte.
verify() {
	local image=$1 out=$work/verify.qcow2
	shift
	checked "$image"
	zqublkd export --force "$image" "$out" "$@"
	qemu-img compare -q -U "$image" "$out" || die "$image and its export differ"
	add "$image" --read-only "$@"
	qemu-img compare -q -T none -f qcow2 -F raw "$out" "$dev" || die "$image and $dev differ"
	del
	rm "$out"
}

# churn NAME OTHER: half of a tree goes, the free space is trimmed, another comes.
churn() {
	find "$mnt/$1" -type f | awk NR%2 | xargs rm
	trim
	cp -r "$2" "$mnt/$2"
}

# trim: what is deleted is free for ext4 only once that is in its journal.
trim() {
	sync -f "$mnt"
	fstrim "$mnt"
}

stored() { sync -f "$mnt" && stat -c %b "$1"; }

make_tree one 1
make_tree two 2
make_tree three 3

# A plain image, and another on top of it.
qemu-img create -q -f qcow2 base.qcow2 ${mib}M
format base.qcow2
up base.qcow2
cp -r one "$mnt/one"
down
checked base.qcow2
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 disk.qcow2 $((mib + 16))M
before=$(sum base.qcow2)
refused 3 'base.qcow2.*allow-backing' zqublkd add disk.qcow2
pass "partition and file system on a plain image"

up disk.qcow2 --allow-backing
refused 6 'in use' zqublkd add base.qcow2
refused 6 "mounted at $mnt" zqublkd del "$id"
has one
cp -r two "$mnt/two"
down
checked disk.qcow2
qemu-img snapshot -c first disk.qcow2
up disk.qcow2 --allow-backing
has one && has two
churn one three
has two && has three
down
checked disk.qcow2
qemu-img snapshot -c second disk.qcow2
equal "snapshots" "$(zqublkd info --json disk.qcow2 | jq -r '[.snapshots[].name] | join(" ")')" "first second"
up disk.qcow2 --allow-backing
has two && has three
rm -r "$mnt/two" "$mnt/one"
trim
down
checked disk.qcow2
for snapshot in second first; do
	qemu-img snapshot -a $snapshot disk.qcow2
	up disk.qcow2 --allow-backing
	has two
	[ $snapshot = first ] && has one || has three
	down
	checked disk.qcow2
done
verify disk.qcow2 --allow-backing
equal "backing file" "$(sum base.qcow2)" "$before"
rm disk.qcow2
pass "backing file: fill, fstrim, snapshots of qemu-img and back, del and add"

# The data in a file of its own, which is a raw disk by itself.
qemu-img create -q -f qcow2 -o data_file=data.raw,data_file_raw=on meta.qcow2 ${mib}M
refused 3 'data.raw.*allow-data-file' zqublkd add meta.qcow2
format meta.qcow2 --allow-data-file
up meta.qcow2 --allow-data-file
cp -r one "$mnt/one"
down
up meta.qcow2 --allow-data-file
head -c 8M /dev/urandom >"$mnt/more"
full=$(stored data.raw)
rm "$mnt/more"
trim
[ "$(stored data.raw)" -lt $((full - 14000)) ] || die "data.raw: of $full blocks $(stored data.raw) are left"
churn one two
down
verify meta.qcow2 --allow-data-file
qemu-img compare -q -f qcow2 -F raw meta.qcow2 data.raw || die "the data file is not the disk"
rm meta.qcow2 data.raw
pass "external data file: fill, fstrim, del and add"

# Compressed clusters are read, and become ordinary ones when written.
qemu-img convert -c -O qcow2 -o compression_type=zstd,cluster_size=4k base.qcow2 packed.qcow2
packed=$(zqublkd check --json packed.qcow2 | jq '."compressed-clusters"')
[ "$packed" -gt 20 ] || die "only $packed compressed clusters"
up packed.qcow2
has one
churn one two
has two
down
verify packed.qcow2
left=$(zqublkd check --json packed.qcow2 | jq '."compressed-clusters"')
[ "$left" -lt "$packed" ] || die "$left of $packed compressed clusters are left"
pass "compressed clusters under a file system: $left of $packed left"

# verified_fio NAME: random writes of all sizes to the device, read back.
verified_fio() {
	fio --name="$1" --filename="$dev" --direct=1 --ioengine=io_uring --iodepth=16 --rw=randwrite --bsrange=512-64k --size=${mib}M \
		--io_size=${io}M --verify=crc32c --verify_fatal=1 --output=fio.log || die "fio, $1: $(<fio.log)"
}

# raw_use DEVICE: discards and zeros where fio has written.
raw_use() {
	verified_fio "$1"
	equal "discard granularity" "$(attr discard_granularity)" 4096
	blkdiscard -f -o 1M -l 3M "$dev"
	blkdiscard -f -z -o 5000192 -l 100352 "$dev"
	equal "zeros" "$(dd if="$dev" bs=512 skip=9766 count=196 iflag=direct status=none | tr -d '\0' | wc -c)" 0
	sync "$dev"
}

qemu-img create -q -f qcow2 -b packed.qcow2 -F qcow2 -o cluster_size=4k,extended_l2=off top.qcow2
add top.qcow2 --allow-backing
raw_use "over compressed clusters"
del
verify top.qcow2 --allow-backing
rm top.qcow2
qemu-img convert -c -O qcow2 -o extended_l2=on base.qcow2 packed.qcow2
qemu-img snapshot -c then packed.qcow2
add packed.qcow2
raw_use "compressed and shared clusters"
del
verify packed.qcow2
rm packed.qcow2
pass "fio over compressed and shared clusters, 4K clusters, subclusters"

# An image on a block device that can't punch holes.
modprobe brd rd_nr=1 rd_size=$((mib * 1024 + 65536))
qemu-img create -q -f qcow2 /dev/ram0 ${mib}M
add /dev/ram0
raw_use "block device"
del
format /dev/ram0
up /dev/ram0
cp -r one "$mnt/one"
churn one two
down
verify /dev/ram0
pass "image on a block device"

# grows: the disk becomes larger under ext4 while files are written to it; its daemon may die then.
grows() {
	mkfs.ext4 -q -E nodiscard "$dev"
	mount -t ext4 "$dev" "$mnt"
	(
		stop=
		trap 'stop=1' TERM
		for ((k = 0; ; k++)); do
			[ -z "$stop" ] || exit 0
			head -c 300000 /dev/urandom >"$mnt/$((k % 40))"
			(cd "$mnt" && md5sum "$((k % 40))") >"$work/sum.$((k % 40))"
		done
	) &
	writer=$!
	sleep 1
	zqublkd resize "$dev" +64M >log 2>&1 || die "resize: $(<log)"
	equal "size" "$(blockdev --getsize64 "$dev")" $(((mib + 64) << 20))
	resize2fs "$dev" >log 2>&1 || die "resize2fs: $(<log)"
	zqublkd resize grow.qcow2 $((mib + 128))M -q
	kill $writer
	wait $writer || true
	kill -KILL "$(daemon_of "$id")"
	eventually 60 dd if="$dev" of=/dev/null bs=4k count=1 iflag=direct status=none
	equal "size after a death" "$(blockdev --getsize64 "$dev")" $(((mib + 128) << 20))
	resize2fs "$dev" >log 2>&1 || die "resize2fs: $(<log)"
	[ "$(df --output=size -m "$mnt" | tail -1)" -gt $((mib + 90)) ] || die "the file system has $(df -m "$mnt")"
	(cd "$mnt" && cat "$work"/sum.* | tail -n 30 | md5sum --quiet -c) || die "files were lost"
	umount "$mnt"
	fsck.ext4 -fn "$dev" >log 2>&1 || die "fsck: $(<log)"
	refused 1 "may only become larger" zqublkd resize "$dev" 64M
}

qemu-img create -q -f qcow2 grow.qcow2 ${mib}M
add grow.qcow2
case $kernel in
6.12.*)
	refused 1 "no UPDATE_SIZE, which Linux 6.16" zqublkd resize "$dev" +64M
	equal "size" "$(blockdev --getsize64 "$dev")" $((mib << 20))
	del
	equal "size of the image" "$(qemu-img info --output=json grow.qcow2 | jq '."virtual-size"')" $((mib << 20))
	;;
*)
	grows
	del
	equal "size of the image" "$(qemu-img info --output=json grow.qcow2 | jq '."virtual-size"')" $(((mib + 128) << 20))
	;;
esac
verify grow.qcow2
add grow.qcow2 --recovery=off
case $kernel in
6.12.*) ;;
*) refused 1 "can't be taken over" zqublkd resize "$dev" +64M ;;
esac
del
pass "larger while it is in use"
leftovers
