# SPDX-License-Identifier: Apache-2.0
# Drives by name: an image of each profile, served; the kernel and blkzone see the drive's
# zones and limits, and a file system takes it.
. "$(dirname "$0")/lib.sh"
load_driver
modprobe f2fs
mkdir mnt

# drive PROFILE SIZE ZONE CAPACITY CONVENTIONAL OPEN ACTIVE APPEND: sizes in MiB; APPEND 0
# stands for as large as a request.
drive() {
	local mib=$((1 << 20)) zones=$(($2 / $3))
	zqublkd create --force -q --profile "$1" disk.qcow2 "$2M"
	add disk.qcow2
	equal "$1: chunk_sectors" "$(attr chunk_sectors)" $(($3 * mib / 512))
	equal "$1: zones" "$(attr nr_zones)" "$zones"
	equal "$1: max_open_zones" "$(attr max_open_zones)" "$6"
	equal "$1: max_active_zones" "$(attr max_active_zones)" "$7"
	equal "$1: logical blocks" "$(attr logical_block_size)" 4096
	[ "$8" = 0 ] || equal "$1: append limit" "$(attr zone_append_max_bytes)" $(($8 * mib))
	blkzone report "$dev" >report
	equal "$1: zones of blkzone" "$(wc -l <report)" "$zones"
	equal "$1: conventional zones" "$(grep -c CONVENTIONAL report || true)" "$5"
	equal "$1: the first zones are conventional" "$(head -n "$5" report | grep -c CONVENTIONAL || true)" "$5"
	equal "$1: capacity" "$(grep SEQ_WRITE report | grep -o 'cap 0x[0-9a-f]*' | sort -u)" \
		"cap 0x$(printf %06x $(($4 * mib / 512)))"
	# The first sequential zone ends at its capacity.
	local start=$(($5 * $3 * mib))
	dd if=/dev/zero of="$dev" bs=1M seek=$((start + $4 * mib - mib)) oflag=direct,seek_bytes count=1 status=none 2>/dev/null &&
		die "$1: a write away from the write pointer succeeded"
	dd if=/dev/zero of="$dev" bs=1M seek="$start" oflag=direct,seek_bytes count=2 conv=notrunc status=none
	blkzone finish -o $((start / 512)) -c 1 "$dev"
	[ "$3" = "$4" ] || fails 'Input/output error' dd if=/dev/zero of="$dev" bs=4k seek=$((start + $4 * mib)) oflag=direct,seek_bytes conv=notrunc count=1
	blkzone reset "$dev"
	del
	zqublkd check disk.qcow2 >log || die "$(<log)" # the disk is too large to be compared
	pass "$1, $zones zones"
}

#     profile   size zone capacity conventional open active append
drive hm-smr    51200 256 256      2            128  0      0
drive zns       65536 2048 1077    0            14   14     0
drive zns-small 65536 128 96       0            384  384    0
drive zoned-ufs 16384 256 192      1            6    0      1

# What a file system for phones does with a drive of theirs, smaller.
zqublkd create -q --force --profile zoned-ufs -o zone.size=8M,zone.conventional_zones=24 disk.qcow2 1G
add disk.qcow2
equal "zone capacity" "$(blkzone report -o $((24 * 16384)) -c 1 "$dev" | grep -o 'cap 0x[0-9a-f]*')" "cap 0x003000"
mkfs.f2fs -q -f -m "$dev"
mount -t f2fs "$dev" mnt
head -c 20M /dev/urandom >data
cp data mnt/
sync -f mnt
umount mnt
mount -t f2fs "$dev" mnt
cmp data mnt/data
umount mnt
del
verify_image disk.qcow2
pass "f2fs on a small zoned UFS"

refused 2 'no such drive: did you mean zns' zqublkd create --profile znss x.qcow2 1G
refused 2 'how large' zqublkd create --profile zns x.qcow2
refused 2 'either that or -b' zqublkd create --profile zns -b disk.qcow2 x.qcow2
leftovers
