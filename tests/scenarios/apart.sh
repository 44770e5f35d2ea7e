# SPDX-License-Identifier: Apache-2.0
# A daemon that a service or a cron job adds is not theirs: where systemd runs,
# it gets a unit of its own, and its log goes to the journal.
. "$(dirname "$0")/lib.sh"
install_units
udevadm control --reload
load_driver

zqublkd create -o size=64M "$work/disk.qcow2" >/dev/null
cgroup() { cut -d: -f3 "/proc/$(daemon_of "$1")/cgroup"; }
by_service() {
	printf '[Service]\nType=oneshot\nStandardOutput=truncate:%s/printed\nExecStart=/usr/bin/zqublkd %s\n' "$work" "$*" >/run/systemd/system/caller.service
	systemctl daemon-reload
	systemctl start caller.service
	cat printed
}

equal "what add prints" "$(by_service add --recovery reissue "$work/disk.qcow2")" /dev/ublkb0
dev=/dev/ublkb0
pid=$(daemon_of 0)
kill -0 "$pid" || die "the daemon has ended with the service"
equal "cgroup" "$(cgroup 0)" /system.slice/zqublkd-ublkb0.scope
logged() {
	journalctl --sync
	journalctl -b -o cat -t zqublkd | grep -- "$1" >/dev/null
}
eventually 10 logged "serving.*$dev"
equal "state" "$(systemctl is-active zqublkd-ublkb0.scope)" active
equal "order" "$(systemctl show --value -p Before zqublkd-ublkb0.scope | grep -o 'blockdev@dev-ublkb0.target')" blockdev@dev-ublkb0.target
pass "apart"

# Killed, it comes back in the same place.
kill -KILL "$pid"
back() { [ "$(daemon_of 0)" != "$pid" ] && zqublkd list | grep -w live; }
until_ok back
equal "cgroup after a death" "$(cgroup 0)" /system.slice/zqublkd-ublkb0.scope
eventually 10 logged "the daemon died"
head -c 1M /dev/urandom >data
dd if=data of=$dev bs=64k conv=notrunc,fsync status=none
mkfs.ext4 -q -F $dev
mount $dev /mnt
cp data /mnt/
(
	sleep 6 # who is gone within 3 s is not named
	umount /mnt
) &
systemctl stop zqublkd-ublkb0.scope # waits for the mount to go
wait
leftovers
eventually 10 logged "waiting for its users.*mounted at /mnt"
add "$work/disk.qcow2"
mount $dev /mnt
equal "data" "$(sum /mnt/data)" "$(sum data)"
umount /mnt
del
pass "recovery and stop"

# The old way is there for who wants it: it ends with the caller.
equal "what add prints" "$(by_service add --no-systemd "$work/disk.qcow2")" /dev/ublkb0
until_ok no_devices
leftovers
pass "--no-systemd"
verify_plain disk.qcow2
pass "done"
