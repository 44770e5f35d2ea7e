# SPDX-License-Identifier: Apache-2.0
# f2fs, its metadata in conventional zones, with and without limits on open zones.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fs.sh"
load_driver

make_fs() { mkfs.f2fs -q -f -m "$1"; }
mount_fs() { mount -t f2fs "$1" "$2"; }
check_fs() { fsck.f2fs -f --dry-run "$1" >check 2>&1 && ! grep -qF '[Fail]' check || die "fsck.f2fs: $(cat check)"; }
# Resets may wait for the unmount: f2fs's own thread passes over free sections
# larger than 2 MiB.
sync_fs() { umount "$1" && mount_fs "$dev" "$1"; }

# The capacity is always the zone size: below it fsck.f2fs miscounts free
# segments, and f2fs writes to a dozen zones at once without a look at limits
# (both seen on null_blk or in a trace of the block layer, too).
tree
life unlimited -o size=$((512 * scale))M,zone.size=8M,zone.conventional_zones=16
life limited -o size=$((512 * scale))M,zone.size=8M,zone.conventional_zones=16,zone.max_open_zones=8,zone.max_active_zones=14
leftovers
