# SPDX-License-Identifier: Apache-2.0
# btrfs on zones of every kind, with and without limits on open zones.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fs.sh"
load_driver
modprobe btrfs

make_fs() { mkfs.btrfs -q -f -O zoned "$1"; }
mount_fs() { mount -t btrfs "$1" "$2"; }
sync_fs() { btrfs filesystem sync "$1"; }
check_fs() { btrfs check "$1" >check 2>&1 || die "btrfs check: $(cat check)"; }

tree
trace_appends
life unlimited -o size=$((512 * scale))M,zone.size=8M
appends=$(appended)
[ "$appends" -gt 0 ] || die "btrfs has not appended"
say "$appends zone appends"
life limited -o size=$((512 * scale))M,zone.size=8M,zone.conventional_zones=4,zone.capacity=6M,zone.max_open_zones=12,zone.max_active_zones=14 --logical-block-size 512
leftovers
