# SPDX-License-Identifier: Apache-2.0
# A daemon that hangs, as SIGSTOP has it: the list says so, no verb waits for it,
# and del --force ends it. One that dies again and again under a mount is given up:
# the device stays and waits, and whoever says so brings it back with all its data.
. "$(dirname "$0")/lib.sh"
load_driver
mount --make-rprivate / # as without systemd: what is unmounted here must be so for the daemons, too

create() { zqublkd create --force -o size=256M,zone.mode=host-managed,zone.size=8M,zone.conventional_zones=4 "$1" >/dev/null; }
state() { zqublkd list -n -o state "$id"; }
is() { state | grep -q "^$1"; }

# soon SECONDS COMMAND...: it ends within that time, whatever it says.
soon() {
	local limit=$1 began=$EPOCHSECONDS
	shift
	timeout -k 1 "$((limit + 10))" "$@" >out 2>&1 || true
	((EPOCHSECONDS - began <= limit)) || die "$*: took $((EPOCHSECONDS - began)) s: $(<out)"
}

create disk.qcow2
for recovery in reissue off; do
	add disk.qcow2 --recovery=$recovery
	pid=$(daemon_of "$id")
	head -c 64k /dev/urandom | dd of="$dev" bs=64k oflag=direct conv=notrunc status=none
	kill -STOP "$pid"
	dd if=/dev/zero of="$dev" bs=64k seek=1 count=1 oflag=direct conv=notrunc status=none 2>writer &
	writer=$!
	soon 5 zqublkd list -n -o state
	equal "state of a stopped daemon" "$(<out)" hung
	refused 1 "process $pid, has given no answer within 2s.*del --force $id" timeout 20 zqublkd del "$id"
	for verb in "errors $id" "upgrade $id" "recover $id" "zones $dev"; do
		refused 1 "has given no answer.*del --force" timeout 20 zqublkd $verb
	done
	soon 6 zqublkd info -U disk.qcow2
	kill -0 "$pid" || die "a verb has ended the daemon"
	soon 30 zqublkd del --force "$id"
	gone "$pid" || die "del --force has not ended it: $(<out)"
	wait $writer && die "the write was answered: by whom?"
	until_ok no_devices
	leftovers
	pass "hung, with --recovery=$recovery"
done

# A daemon that hangs is killed by hand: the next one goes on.
add disk.qcow2
pid=$(daemon_of "$id")
kill -STOP "$pid"
dd if=/dev/zero of="$dev" bs=64k count=1 oflag=direct conv=notrunc status=none &
writer=$!
sleep 1
kill -KILL "$pid"
wait $writer || die "the write did not live through it"
eventually 10 is live
del
verify_image disk.qcow2
pass "killed while it hangs"

# kill -9 costs no file system, not even at the third time.
create disk.qcow2
add disk.qcow2
mkfs.f2fs -q -f -m "$dev" >/dev/null
mkdir mnt
mount -t f2fs "$dev" mnt
head -c 4M /dev/urandom >data
cp data mnt/synced
sync -f mnt
cp data mnt/unsynced
for turn in 1 2 3; do
	pid=$(daemon_of "$id")
	kill -KILL "$pid"
	until_ok gone "$pid"
	back() { is given-up || { is live && [ "$(daemon_of "$id")" != "$pid" ]; }; }
	eventually 30 back
done
eventually 30 is given-up
state | grep 'died 3 times within 1m' || die "no reason: $(state)"
equal "reason in JSON" "$(zqublkd list -J | jq -r '.[0].reason' | grep -c 'died 3 times')" 1
[ -b "$dev" ] || die "the device is gone"
(cat mnt/synced mnt/unsynced | sum >read) &
reader=$!
refused 6 "$dev is in use: mounted at $work/mnt" timeout 20 zqublkd del "$id"
is given-up || die "it has not stayed: $(state)"
zqublkd recover "$id"
wait $reader
equal "data" "$(<read)" "$(sum data data)"
eventually 10 is live
sync -f mnt
umount mnt
fsck.f2fs "$dev" >log || die "$(<log)"
mount -t f2fs "$dev" mnt
equal "data after all" "$(sum mnt/synced mnt/unsynced)" "$(sum data data)"
umount mnt
del
leftovers
verify_image disk.qcow2
pass "given up in use, and brought back"

# And whoever says so ends it.
add disk.qcow2
exec 9<"$dev"
for turn in 1 2 3; do
	pid=$(daemon_of "$id")
	kill -KILL "$pid"
	until_ok gone "$pid"
	eventually 30 back
done
eventually 30 is given-up
zqublkd del --dead "$id" 2>note || die "$(<note)"
equal "bytes from the old descriptor" "$(head -c 4096 <&9 2>/dev/null | wc -c)" 0
exec 9<&-
until_ok no_devices
leftovers
pass "given up, and ended"
pass "done"
