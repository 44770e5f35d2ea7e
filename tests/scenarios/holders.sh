# SPDX-License-Identifier: Apache-2.0
# A device that somebody holds is not deleted unless forced, and del says who it is.
. "$(dirname "$0")/lib.sh"
load_driver

create() { zqublkd create --force -o "size=128M,zone.mode=host-managed,zone.size=8M,$2" "$1" >/dev/null; }

create disk.qcow2 zone.conventional_zones=1
add disk.qcow2
mkzonefs -f "$dev" >/dev/null
modprobe zonefs
mkdir mnt
mount -t zonefs "$dev" mnt
refused 6 "$dev is in use: mounted at $work/mnt; .*--force" zqublkd del "$id"
umount mnt
modprobe dm-mod
dmsetup create held --table "0 $((128 << 11)) linear $dev 0"
refused 6 "$dev is in use: used by /dev/dm-0.*; .*--force" zqublkd del "$id"
dmsetup remove held
python3 -E -S -c 'import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL)
os.write(1, b"open\n")
time.sleep(600)' "$dev" >holding &
holder=$!
until [ -s holding ]; do sleep 0.05; done
refused 6 "$dev is in use: .*process $holder \(python3\).*; .*--force" zqublkd del "$id"
zqublkd del --force "$id" 2>/dev/null
kill $holder
wait $holder 2>/dev/null || true
until_ok no_devices
leftovers
verify_image disk.qcow2
pass "held by a mount, by dm, by a process"

# Open without a claim, as QEMU and fio have it.
add disk.qcow2
exec 9<"$dev"
refused 6 "$dev is in use: process $$ \(bash\).*; .*--force" zqublkd del "$id"
exec 9<&-
(
	exec 9<"$dev"
	sleep 1
) &
until_ok zqublkd del "$id" # waits for who only looks
wait
leftovers
pass "held by an open node"

# Told to stop, a daemon waits for the users of its device: not for an idle
# device on top of it, and not for ever.
serve() {
	zqublkd serve disk.qcow2 --stop-wait "$1" 2>log &
	pid=$!
	until_ok grep -q serving log
	dmsetup create held --table "0 $((128 << 11)) linear /dev/ublkb0 0"
	exec 9</dev/mapper/held
	kill -TERM $pid
	eventually 10 grep -q "waiting for its users.*process $$ (bash) by way of /dev/dm-0" log
	kill -0 $pid || die "it does not wait"
	dd if=/dev/mapper/held of=/dev/null bs=4k count=1 iflag=direct status=none
}
serve 60s
exec 9<&-
wait $pid
! grep -q level=error log || die "nobody used it: $(<log)"
dmsetup remove held
serve 4s
code=0
wait $pid || code=$?
equal "exit code" "$code" 0
grep -q "stopping a device in use.*process $$ (bash)" log || die "the end of a device in use is not said: $(<log)"
exec 9<&-
dmsetup remove held
until_ok no_devices
leftovers
verify_image disk.qcow2
pass "SIGTERM waits"

create disk.qcow2 zone.size=8M
add disk.qcow2
modprobe nvmet
subsystem=/sys/kernel/config/nvmet/subsystems/held
mkdir -p $subsystem/namespaces/1
echo -n "$dev" >$subsystem/namespaces/1/device_path
echo 1 >$subsystem/namespaces/1/enable
refused 6 "$dev is in use: .*nvmet.*; .*--force" zqublkd del "$id"
echo 0 >$subsystem/namespaces/1/enable
rmdir $subsystem/namespaces/1 $subsystem
del
pass "held by nvmet"

leftovers
pass "done"
