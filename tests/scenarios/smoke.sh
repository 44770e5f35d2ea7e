# SPDX-License-Identifier: Apache-2.0
# The machine itself, without zqublkd: the kernel's own zoned null_blk, and the
# tools and file systems that the other scenarios rely on.
. "$(dirname "$0")/lib.sh"

null=/sys/kernel/config/nullb
mnt=$work/mnt
mkdir "$mnt"
modprobe null_blk nr_devices=0
modprobe -a btrfs dm-zoned # so that their control nodes are there

# disk SIZE ZONE CONVENTIONAL (MiB, MiB, zones): sets dev to a new zoned null_blk.
disk() { new_disk size "$1" zoned 1 zone_size "$2" zone_nr_conv "$3"; }

# plain SIZE: the same without zones.
plain() { new_disk size "$1"; }

disks=0
new_disk() {
	local node=$null/disk$disks
	disks=$((disks + 1))
	mkdir "$node"
	set_all "$node" "$@" memory_backed 1 blocksize 4096 power 1
	dev=/dev/$(name_of "$node")
}

set_all() {
	local node=$1
	shift
	while [ $# -gt 0 ]; do
		echo "$2" >"$node/$1"
		shift 2
	done
}

# name_of NODE: newer kernels name the disk after the folder, others by index.
name_of() {
	if [ -b "/dev/${1##*/}" ]; then echo "${1##*/}"; else echo "nullb$(<"$1/index")"; fi
}

# lives DEVICE MOUNT-OPTION...: a tree written there is there after another mount.
lives() {
	mount "$@" "$mnt"
	head -c 8M /dev/urandom >data
	cp data "$mnt/data"
	cp -r /etc/systemd "$mnt/tree"
	umount "$mnt"
	mount "$@" "$mnt"
	cmp data "$mnt/data"
	diff -r /etc/systemd "$mnt/tree"
	umount "$mnt"
}

zone_tools() {
	disk 64 4 2
	equal "zones, blkzone" "$(blkzone report "$dev" | wc -l)" 16
	equal "conventional zones, blkzone" "$(blkzone report "$dev" | grep -c 'type: 1(CONVENTIONAL)')" 2
	dd if=/dev/urandom of="$dev" bs=64k count=1 seek=128 oflag=direct conv=notrunc status=none
	blkzone report -o $((8 * 2048)) -c 1 "$dev" | grep 'wptr 0x000080' >/dev/null
	equal "zones, zbd" "$(zbd report "$dev" | grep -c '^Zone ')" 16
	blkzone finish -o $((8 * 2048)) -l 8192 "$dev"
	blkzone reset "$dev" -o $((8 * 2048)) -l 8192
	equal "empty zones" "$(blkzone report "$dev" | grep -c '1(em)')" 14
	fio --name=zbd --filename="$dev" --offset=8M --size=16M --zonemode=zbd --rw=write --bs=64k --direct=1 \
		--ioengine=io_uring --iodepth=4 --verify=crc32c --do_verify=1 >fio.log || die "$(<fio.log)"
	pass "blkzone, zbd, fio"
}

file_systems() {
	disk 256 8 0
	mkfs.btrfs -q -f -O zoned -d single -m single "$dev"
	lives -t btrfs "$dev"
	btrfs check "$dev" >log 2>&1 || die "$(<log)"
	pass "btrfs"
	disk 256 8 4
	mkfs.f2fs -q -f -m "$dev" >log || die "$(<log)"
	lives -t f2fs "$dev"
	fsck.f2fs "$dev" >log || die "$(<log)"
	pass "f2fs"
	disk 64 4 2
	mkzonefs -f "$dev" >log || die "$(<log)"
	mount -t zonefs "$dev" "$mnt"
	dd if=/dev/urandom of="$mnt/seq/0" bs=64k count=4 oflag=direct conv=notrunc status=none
	equal "size of a zone file" "$(stat -c %s "$mnt/seq/0")" 262144
	umount "$mnt"
	pass "zonefs"
}

# Zoned XFS came with Linux 6.15.
zoned_xfs() {
	case $kernel in 6.*) return ;; esac
	disk 1024 16 20
	mkfs.xfs -q -f -r zoned=1 "$dev"
	lives -t xfs "$dev"
	xfs_repair -n "$dev" >log 2>&1 || die "$(<log)"
	pass "xfs"
}

# Appends from user space: NVMe over the loop transport.
appends() {
	local target=/sys/kernel/config/nvmet at
	disk 64 4 0
	modprobe -a nvmet nvme_loop
	mkdir "$target/subsystems/t" "$target/subsystems/t/namespaces/1" "$target/ports/1"
	set_all "$target/subsystems/t" attr_allow_any_host 1 namespaces/1/device_path "$dev" namespaces/1/enable 1
	echo loop >"$target/ports/1/addr_trtype"
	ln -s "$target/subsystems/t" "$target/ports/1/subsystems/t"
	nvme connect -t loop -n t --hostnqn=nqn.2014-08.org.nvmexpress:uuid:0 --hostid=00000000-0000-0000-0000-000000000001
	eventually 10 test -b /dev/nvme0n1
	head -c 8192 /dev/urandom >piece
	for at in 0 2; do
		nvme zns zone-append /dev/nvme0n1 -s 0x400 -z 8192 -d piece | tee log
		equal "what was appended" "$(dd if="$dev" bs=4096 skip=$((0x400 + at)) count=2 iflag=direct status=none | sum)" "$(sum piece)"
	done
	nvme disconnect -n t
	pass "nvme zone append"
}

# A disk that fails on purpose, and zones hidden from a file system that can't do them.
mappers() {
	plain 64
	dmsetup create flaky --table "0 $(blockdev --getsz "$dev") flakey $dev 0 60 0"
	mkfs.ext4 -q /dev/mapper/flaky
	lives -t ext4 /dev/mapper/flaky
	dmsetup remove flaky
	disk 512 16 8
	dmzadm --format "$dev" >log || die "$(<log)"
	dmzadm --start "$dev" >log || die "$(<log)"
	mkfs.ext4 -q /dev/mapper/dmz-*
	lives -t ext4 /dev/mapper/dmz-*
	dmzadm --stop "$dev" >log || die "$(<log)"
	pass "device mapper"
}

# Tools that only need to be there and run.
tools() {
	qemu-img create -q -f qcow2 disk.qcow2 64M
	qemu-img check -q disk.qcow2
	equal "python and jq" "$(python3 -c 'import json, struct; print(json.dumps({"a": 5}))' | jq .a)" 5
	strace -o log -e trace=openat cat /dev/null
	grep -q openat log
	modprobe -a loop nbd brd
	pass "tools"
}

zone_tools
file_systems
zoned_xfs
appends
mappers
tools
