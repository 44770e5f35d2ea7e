# SPDX-License-Identifier: Apache-2.0
# The table: units with names, numbers and links out of /etc/zqublkd/table, in
# the unit as it is installed. What udev knows of a device follows what is
# written to it.
. "$(dirname "$0")/lib.sh"
install_units

mkdir -p /etc/zqublkd "$work/my disks"
zqublkd create -o size=400M "$work/plain.qcow2" >/dev/null
zqublkd create -o size=64M,zone.mode=host-managed,zone.size=8M "$work/my disks/\$HOME \"100%f\".qcow2" >/dev/null
zqublkd create -o size=64M "$work/by-hand.qcow2" >/dev/null
cat >/etc/zqublkd/table <<END
# name      image                                      options
plain       $work/plain.qcow2                          noauto,number=5,metrics,watch-group=disk
my\\040disk  $work/my\\040disks/\$HOME\\040"100%f".qcow2  noauto,queues=1
broken      relative.qcow2                             noauto
END
systemctl daemon-reload
udevadm control --reload

systemctl start zqublkd@plain 'zqublkd@my\x20disk'
equal "numbers" "$(zqublkd list --json | jq -c '[.[] | [.name, .id]]')" '[["plain",5],["my disk",596]]'
equal "queues" "$(ls /sys/block/ublkb596/mq)" 0
[ ! -e '/run/systemd/generator/zqublkd@broken.service' ] || die "a bad line became a unit"
dmesg | grep -F 'zqublkd-generator[' | grep -F '/etc/zqublkd/table:4: image "relative.qcow2": give its whole path' >/dev/null || die "nothing says what is wrong with line 4"
pass "two lines of three"

# as GROUP COMMAND...: by a user who is in no other.
as() { setpriv --reuid=nobody --regid=nogroup --groups "$1" -- "${@:2}"; }
watched() {
	equal "the socket" "$(stat -c '%a %G' /run/zqublkd/5/control.sock)" "660 disk"
	equal "who the group shows" "$(as disk "$(command -v zqublkd)" top --once --json plain | jq -r '.devices[].state')" live
	fails 'ermission denied' as nogroup "$(command -v zqublkd)" errors plain
	fails 'the watch group may look' as disk "$(command -v zqublkd)" fault clear plain
	zqublkd metrics --once --no-latency | grep '^zqublkd_metered{device="ublkb5",name="plain"} 1' >/dev/null || die "it does not measure from the beginning"
}
watched
pass "who may watch"

# link PATH NODE: waits until udev has made it so.
link() { until_ok [ "$(readlink -f "$1")" = "$2" ]; }
links() {
	link "/dev/disk/by-id/zqublkd-$1" "$2"
	link "/dev/zqublkd/$1" "$2"
}
udevadm settle
links plain /dev/ublkb5
links 'my\x20disk' /dev/ublkb596
equal "lsblk" "$(lsblk -ndo NAME,MODEL,SERIAL /dev/ublkb5 | xargs)" "ublkb5 zqublkd plain"
add "$work/by-hand.qcow2"
udevadm settle
links by-hand.qcow2 "$dev"
mkdir other
cp "$work/by-hand.qcow2" other/
refused 6 'name "plain": taken by /dev/ublkb5' zqublkd add --name plain other/by-hand.qcow2
refused 2 'name "a/b": no name for a device' zqublkd add --name a/b other/by-hand.qcow2
second=$(zqublkd add other/by-hand.qcow2 2>note)
grep -q "is called by-hand.qcow2-.*--name" note || die "two images of one name: $(<note)"
zqublkd del "$second"
del
udevadm settle
[ ! -e /dev/zqublkd/by-hand.qcow2 ] || die "the link outlives the device"
pass "links"

# Killed, it comes back under its number and names.
pid=$(daemon_of 5)
kill -KILL "$pid"
back() { [ "$(daemon_of 5)" != "$pid" ] && [ -e /dev/zqublkd/plain ] && systemctl is-active zqublkd@plain; }
until_ok back
links plain /dev/ublkb5
watched
pass "killed"

# What is the exposure of the unit that did all this?
score=$(systemd-analyze security --no-pager zqublkd@plain.service | sed -n 's/.*exposure level.*: \([0-9]\)\.\([0-9]\).*/\1\2/p')
((score < 35)) || die "exposure ${score:0:1}.${score:1}"
pass "exposure ${score:0:1}.${score:1}"

# known FS NODE: after mkfs, udev's data, links and mount without a type agree.
known() {
	local uuid
	udevadm settle
	uuid=$(blkid -p -s UUID -o value "$2")
	link "/dev/disk/by-uuid/$uuid" "$2"
	equal "lsblk -f after mkfs.$1" "$(lsblk -ndfo FSTYPE,UUID "$2" | xargs)" "$1 $uuid"
	mount "$2" /mnt
	equal "mounted" "$(findmnt -no FSTYPE /mnt)" "$1"
	umount /mnt
}
declare -A mkfs=([ext4]="mkfs.ext4 -q -F" [btrfs]="mkfs.btrfs -q -f" [f2fs]="mkfs.f2fs -q -f" [xfs]="mkfs.xfs -q -f")
rounds="ext4 f2fs btrfs xfs ext4"
[ $SIZE = small ] || rounds="$rounds btrfs f2fs ext4 xfs f2fs xfs btrfs f2fs ext4 btrfs xfs ext4 f2fs xfs btrfs"
for fs in $rounds; do
	${mkfs[$fs]} /dev/zqublkd/plain
	known $fs /dev/ublkb5
done
pass "another file system each time"

wipefs -qa /dev/ublkb5
udevadm settle
printf 'size=380M\n' | sfdisk -q /dev/ublkb5
udevadm settle
until_ok [ -b /dev/disk/by-id/zqublkd-plain-part1 ]
mkfs.xfs -q -f /dev/zqublkd/plain-part1
known xfs /dev/ublkb5p1
links plain-part1 /dev/ublkb5p1
pass "partition"

systemctl stop zqublkd@plain 'zqublkd@my\x20disk'
leftovers
verify_plain plain.qcow2
pass "done"
