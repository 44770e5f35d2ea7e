# SPDX-License-Identifier: Apache-2.0
# One life of a machine whose power is cut: guest.sh HOST-FS IMAGE-FS TOLD. TOLD
# holds what earlier lives said; all that was durable must be there. Then it goes
# on writing, and says so, until the end. /dev/vdd is the disk with the image.
set -Eeuo pipefail
trap 'echo "LOST: line $LINENO: $BASH_COMMAND"; exit 1' ERR
host=$1 fs=$2 told=$3 disk=/dev/vdd here=$(dirname "$0")
image=/srv/disk.qcow2
modprobe -a ublk_drv "$host"
echo 100 >/proc/sys/vm/dirty_writeback_centisecs # so that much goes to the disk between flushes
echo 100 >/proc/sys/vm/dirty_expire_centisecs

must() {
	"$@" >out 2>&1 || { cat out; echo "LOST: $*"; exit 1; }
}
check_image() {
	local code=0
	zqublkd check $image >out 2>&1 || code=$?
	[ $code = 0 ] || [ $code = 3 ] || { cat out; echo "LOST: the image is damaged"; exit 1; } # 3: leaks
}
f2fs_sound() { fsck.f2fs -f --dry-run "$dev" | tee fsck && ! grep -F '[Fail]' fsck; }

declare -A make_host=([ext4]="mkfs.ext4 -q" [xfs]="mkfs.xfs -q -f") check_host=([ext4]="e2fsck -fn" [xfs]="xfs_repair -n")
declare -A make=([btrfs]="mkfs.btrfs -q -f -O zoned" [f2fs]="mkfs.f2fs -q -f -m") check=([btrfs]="btrfs check" [f2fs]=f2fs_sound)

if [ ! -s "$told" ]; then
	must ${make_host[$host]} $disk
	must mount $disk /srv
	must zqublkd create -o zone.mode=host-managed,size=512M,zone.size=8M,zone.conventional_zones=16 $image
	dev=$(zqublkd add $image)
	[ $fs = raw ] || must ${make[$fs]} "$dev"
	sync
else
	must mount $disk /srv # replays its journal
	must umount /srv
	must ${check_host[$host]} $disk
	must mount $disk /srv
	check_image
	dev=$(zqublkd add $image)
	[ $fs = raw ] || must mount -t $fs "$dev" /mnt
	python3 "$here/writer.py" check $fs "$dev" "$told"
	[ $fs = raw ] || { must umount /mnt && must ${check[$fs]} "$dev"; }
	must zqublkd del "$dev"
	must zqublkd check $image
	dev=$(zqublkd add $image)
fi
[ $fs = raw ] || must mount -t $fs "$dev" /mnt
exec python3 "$here/writer.py" write $fs "$dev" "$told"
