# SPDX-License-Identifier: Apache-2.0
# Zoned XFS: data in the sequential zones, the rest in the conventional ones; at
# full size also with a disk of its own for the rest.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fs.sh"
load_driver

make_fs() { mkfs.xfs -q -f -r zoned=1 "$1"; }
mount_fs() { mount -t xfs "$1" "$2"; }
sync_fs() { sync -f "$1"; }
check_fs() { xfs_repair -n "$1" >check 2>&1 || die "xfs_repair -n: $(cat check)"; }

tree
trace_appends
life unlimited -o size=$((320 + 384 * scale))M,zone.size=16M,zone.conventional_zones=20
appends=$(appended)
[ "$appends" -gt 0 ] || die "XFS has not appended"
say "$appends zone appends"
life limited -o size=$((320 + 384 * scale))M,zone.size=16M,zone.conventional_zones=20,zone.max_open_zones=8,zone.max_active_zones=14

# apart: the same with all zones sequential, and a loop device beside.
apart() {
	local disk
	modprobe loop
	truncate -s 320M rest
	disk=$(losetup -f --show rest)
	make_fs() { mkfs.xfs -q -f -r zoned=1,rtdev="$1" $disk; }
	mount_fs() { mount -t xfs -o rtdev="$1" $disk "$2"; }
	check_fs() { xfs_repair -n -r "$1" $disk >check 2>&1 || die "xfs_repair -n: $(cat check)"; }
	life apart -o size=$((384 * scale))M,zone.size=16M,zone.max_open_zones=8,zone.max_active_zones=14
	losetup -d $disk
}

[ "${SIZE:-small}" != full ] || apart
leftovers
