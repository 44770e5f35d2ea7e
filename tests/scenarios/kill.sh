# SIGKILL of the daemon under load: the same device goes on, without an I/O
# error and without a lost write; three deaths in a minute stop it.
. "$(dirname "$0")/lib.sh"
load_driver
pairs=2
[ "$SIZE" = full ] && pairs=100

daemon() { zqublkd list --json | jq -r ".[] | select(.id == $id and .alive) | .pid"; }

# revived OLD: waits until a daemon other than OLD serves.
revived() {
	local pid
	for _ in $(seq 600); do
		pid=$(daemon)
		[ -n "$pid" ] && [ "$pid" != "$1" ] && return
		sleep 0.05
	done
	cat "/run/zqublkd/$id/log" >&2
	die "no new daemon after the death of $1"
}

# death: kills the daemon a moment from now and waits for the next.
death() {
	local old
	sleep "0.$((RANDOM % 7 + 1))"
	old=$(daemon)
	kill -9 "$old"
	revived "$old"
}

zqublkd create -o size=512M,zone.mode=host-managed,zone.size=16M,zone.conventional_zones=2,zone.max_open_zones=8,zone.max_active_zones=10 disk.qcow2
for pair in $(seq "$pairs"); do
	add disk.qcow2 --recovery=reissue
	blkzone reset -o 65536 "$dev"
	fio --filename="$dev" --zonemode=zbd --direct=1 --ioengine=io_uring --verify=crc32c --verify_fatal=1 --max_open_zones=4 \
		--offset=32M --size=64M --group_reporting --output=fio.log \
		--name=zones --rw=write --bs=16k --iodepth=4 --do_verify=1 &
	fio=$!
	death # two in a minute are forgiven
	death
	wait "$fio" || { cat fio.log "/run/zqublkd/$id/log"; zqublkd errors "$id"; die "fio failed in pair $pair"; }
	equal "kernel's I/O errors" "$(dmesg | grep -c 'I/O error, dev ublkb' || true)" 0
	del
done
pass "$((2 * pairs)) deaths under fio: no error, every block verified"

add disk.qcow2 --recovery=reissue
blkzone open -o 983040 "$dev"
blkzone report "$dev" >before
death
blkzone report "$dev" >after
diff before after
pass "an explicitly open zone is still open after the daemon's death"
death
kill -9 "$(daemon)"
for _ in $(seq 600); do [ -b "$dev" ] || break; sleep 0.05; done
[ ! -b "$dev" ] || die "$dev is still there after three deaths"
for _ in $(seq 200); do [ "$(ls /run/zqublkd | wc -l)" = 0 ] && ! pgrep zqublkd >/dev/null && break; sleep 0.05; done
leftovers
pass "three deaths in a minute: the device is stopped"
verify_image disk.qcow2
