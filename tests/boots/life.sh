# SPDX-License-Identifier: Apache-2.0
# One life of a machine: life.sh N HOW. What earlier lives wrote must be there, by every
# way of mounting; more is written, not synced, and the machine is told to go down.
set -Eeuo pipefail
trap 'echo "LOST: line $LINENO: $BASH_COMMAND"; systemctl --no-pager --failed; journalctl -b --no-pager -p warning | tail -30; exit 1' ERR
n=$1 how=$2
down() {
	echo "LIFE $n"
	sleep 0.3 # until the host has it
	systemctl "$how"
	sleep infinity
}
mountpoint -q /srv
[ "$n" != idle ] || down

by_hand() { # a zoned btrfs on one device, LVM on another
	if [ "$n" = 1 ]; then
		mkfs.btrfs -q -O zoned /dev/zqublkd/hand
		vgcreate -qq vg /dev/zqublkd/lvm
		lvcreate -qq -n lv -l 100%FREE vg
		mkfs.ext4 -q /dev/vg/lv
	else
		vgchange -qq -ay vg
	fi
	mkdir -p /hand /lv
	mount -t btrfs /dev/zqublkd/hand /hand
	mount -t ext4 /dev/vg/lv /lv
}
by_hand

[ -z "$(systemctl --failed --no-legend)" ]
for dir in /data /path /old /hand /lv; do
	mountpoint -q $dir
	for i in $(seq $((n - 1))); do
		sha256sum --quiet -c "/srv/sum${dir/\//.}.$i"
	done
	head -c 6M /dev/urandom >"$dir/file.$n"
	sha256sum "$dir/file.$n" >"/srv/sum${dir/\//.}.$n"
done
[ "$(zqublkd list --json | jq '.[] | select(.name == "lvm") | .id')" = 7 ]
down
