# SPDX-License-Identifier: Apache-2.0
# The unit, installed from the files of the folder systemd: an image becomes a
# device by `systemctl start`, and nothing by `systemctl stop`.
. "$(dirname "$0")/lib.sh"

install_units
systemd-analyze verify /usr/lib/systemd/system/zqublkd@.service 2>&1 | grep -F zqublkd@.service && die "systemd finds faults in the unit"
systemctl daemon-reload
udevadm control --reload
pass "installed"

unit_of() { systemd-escape --path --template=zqublkd@.service "$1"; }

# journal UNIT [OPTION...]: what the unit logged.
journal() {
	journalctl --sync
	journalctl --boot --output=cat --unit "$@"
}
logged() { journal "$1" | grep -- "$2" >/dev/null; }

create() { zqublkd create --force -o size=64M,zone.mode=host-managed,zone.size=8M "$1" >/dev/null; }

# served UNIT: sets dev by what the daemon of the unit says of itself.
served() {
	equal "state of $1" "$(systemctl is-active "$1")" active
	dev=$(zqublkd list --json | jq -r ".[] | select(.pid == $(systemctl show --value --property=MainPID "$1")) | .node")
	[ -b "$dev" ] || die "$1 is active, but '$dev' is no device"
}

# in_service IMAGE: the life of a unit for it.
in_service() {
	local image=$1 unit
	unit=$(unit_of "$image")
	mkdir -p "$(dirname "$image")"
	create "$image"
	systemctl start "$unit"
	served "$unit"
	[[ $(systemctl show --value --property=StatusText "$unit") = "$dev serves "* ]] || die "status: $(systemctl show --property=StatusText "$unit")"
	eventually 10 logged "$unit" "serving.*$dev"
	equal "warnings in the journal" "$(journal "$unit" --priority=warning --grep . 2>&1 | grep -v -e '-- No entries' || true)" ""
	head -c 1M /dev/urandom >data
	dd if=data of="$dev" bs=64k oflag=direct conv=notrunc status=none
	systemctl restart "$unit"
	served "$unit"
	equal "data after a restart" "$(dd if="$dev" bs=1M count=1 iflag=direct status=none | sum)" "$(sum data)"
	systemctl stop "$unit"
	equal "state after stop" "$(systemctl is-active "$unit" || true)" inactive
	leftovers
	eventually 10 logged "$unit" stopping
	zqublkd report "$image" | grep 'start: 0x000000000, .*wptr 0x000800' >/dev/null || die "the write pointer of $image is lost"
	pass "$unit"
}
in_service "$work/disk.qcow2"
verify_image "$work/disk.qcow2"
in_service "$work/disks, old/a-b  c\\d 100% %f é.qcow2"
in_service "$work/price in \$HOME \${USER}.qcow2"

# Options of all units.
unit=$(unit_of "$work/disk.qcow2")
mkdir -p /etc/default
echo 'ZQUBLKD_OPTIONS="--queues 1 --read-only"' >/etc/default/zqublkd
systemctl start "$unit"
served "$unit"
equal "queues" "$(ls "/sys/block/${dev#/dev/}/mq")" 0
equal "read-only" "$(attr ../ro)" 1
systemctl stop "$unit"
rm /etc/default/zqublkd
leftovers
pass "options"

# An image that can't be served, and one that is not there.
echo "no image" >text
for name in text nothing; do
	bad=$(unit_of "$work/$name")
	! systemctl start "$bad" 2>/dev/null || die "$bad started"
	until_ok systemctl is-failed "$bad"
	eventually 10 logged "$bad" "$work/$name.*\(not a qcow2 image\|no such file\)"
	[ $name = nothing ] || equal "restarts of $bad" "$(systemctl show --value --property=NRestarts "$bad")" 0
	systemctl reset-failed "$bad"
done
leftovers
pass "bad images"

# A daemon that dies comes back, and the image with it.
systemctl start "$unit"
served "$unit"
dd if=data of="$dev" bs=64k seek=128 oflag=direct conv=notrunc,fsync status=none
pid=$(systemctl show --value --property=MainPID "$unit")
kill -ABRT "$pid" # a crash of its own ends it with status 2
back() {
	local now
	now=$(systemctl show --value --property=MainPID "$unit")
	[ "$now" != 0 ] && [ "$now" != "$pid" ] && systemctl is-active "$unit"
}
until_ok back
served "$unit"
equal "data after kill" "$(dd if="$dev" bs=1M skip=8 count=1 iflag=direct status=none | sum)" "$(sum data)"
systemctl stop "$unit"
leftovers
verify_image "$work/disk.qcow2"
pass "a daemon that was killed"

# A restart is a hand-over: who writes notices nothing, however many there are. Not by
# io_uring: where udev has left pages in the cache, the kernel hands such a write to a
# worker, and the next one overtakes it, which a zone does not forgive.
systemctl start "$unit"
served "$unit"
blkzone reset "$dev"
fio --name=load --filename="$dev" --zonemode=zbd --direct=1 --rw=write --bs=16k --size=64M --time_based --runtime=600 \
	--verify=crc32c --verify_fatal=1 --ioengine=libaio --iodepth=4 >fio.log 2>&1 &
fio=$!
began=$(stat -c %i "$dev")
for turn in 1 2 3 4 5; do
	pid=$(systemctl show --value --property=MainPID "$unit")
	systemctl restart "$unit"
	served "$unit"
	[ "$pid" != "$(systemctl show --value --property=MainPID "$unit")" ] || die "the same daemon"
done
pid=$(systemctl show --value --property=MainPID "$unit")
zqublkd upgrade "$dev"
served "$unit"
equal "daemon after upgrade" "$(daemon_of "${dev#/dev/ublkb}")" "$(systemctl show --value --property=MainPID "$unit")"
equal "inode of $dev" "$(stat -c %i "$dev")" "$began"
kill -0 $fio || die "fio did not live through that: $(<fio.log)"
pass "restart and upgrade under load"

# A daemon that dies again and again is given up: a device in use waits for a person.
for turn in 1 2 3 4; do
	pid=$(systemctl show --value --property=MainPID "$unit")
	[ "$pid" = 0 ] || kill -KILL "$pid" || true
	! systemctl is-failed --quiet "$unit" || break
	[ "$turn" = 4 ] || eventually 30 eval 'back || systemctl is-failed --quiet "$unit"'
done
until_ok systemctl is-failed "$unit"
given_up() { zqublkd list | grep -q 'given-up (.*failed'; }
eventually 30 given_up
[ -b "$dev" ] || die "the device is gone: $(zqublkd list; ps ax | grep [f]io; cat fio.log; dmesg | tail; journal "$unit" | tail -n 30)"
kill -0 $fio || die "fio saw the deaths: $(<fio.log)"
systemctl reset-failed "$unit"
systemctl start "$unit"
served "$unit"
equal "inode of $dev" "$(stat -c %i "$dev")" "$began"
sleep 2 # some more of its work
kill -INT $fio
wait $fio || true # of its own accord it exits with 128 when it is told to end
grep -q 'groupid=0, jobs=1): err= 0:' fio.log || die "fio did not live through that: $(<fio.log)"
systemctl stop "$unit"
until_ok no_daemons
leftovers
verify_image "$work/disk.qcow2"
pass "given up after deaths"

[ -d /run/zqublkd ] || die "the run directory went with the units"
pass "done"
