# SPDX-License-Identifier: Apache-2.0
# A trace agrees with what fio and blkzone did, number by number, and one of a life of
# btrfs does the same to null_blk and to a second device of ours; a planted difference
# is found.
. "$(dirname "$0")/lib.sh"
load_driver
modprobe btrfs

zone=$((8 << 20))
make=size=512M,zone.mode=host-managed,zone.size=8M
zqublkd create -o $make disk.qcow2 >/dev/null
add disk.qcow2

# begin FILE [OPTIONS]: traces dev into FILE, once the device has said how its zones are.
begin() {
	zqublkd trace -o "$@" "$dev" &
	tracer=$!
	eventually 5 test -s "$1"
}

# finish: ends the trace.
finish() {
	sync "$dev"
	kill -INT $tracer
	wait $tracer || die "trace: exit status $?"
}

# count FILE FILTER: events that jq's filter lets through.
count() { zqublkd trace --json --from "$1" | jq -c "select($2)" | wc -l; }

numbers() {
	begin numbers.trace
	refused 1 'traced already' zqublkd trace "$id"
	refused 1 'traced already' zqublkd trace -o numbers.trace "$id" # which stays as it is
	fio --name=a --filename="$dev" --zonemode=zbd --direct=1 --ioengine=libaio --iodepth=1 --rw=write --bs=64k --offset=$((2 * zone)) \
		--size=2z --io_size=9M --max_open_zones=1 >/dev/null
	fio --name=b --filename="$dev" --direct=1 --rw=read --bs=128k --offset=$((2 * zone)) --size=8M >/dev/null
	blkzone finish -o $((3 * zone / 512)) -l $((zone / 512)) "$dev"
	blkzone open -o $((5 * zone / 512)) -l $((zone / 512)) "$dev"
	blkzone close -o $((5 * zone / 512)) -l $((zone / 512)) "$dev"
	blkzone reset -o $((2 * zone / 512)) -l $((2 * zone / 512)) "$dev"
	fails 'Input/output error' dd if=/dev/zero of="$dev" bs=64k oflag=seek_bytes,direct conv=notrunc seek=$((6 * zone + 65536)) count=1
	finish
	equal "writes" "$(count numbers.trace '.op == "write" and .error == null')" $((9 * 16))
	equal "bytes written" "$(zqublkd trace --json --from numbers.trace | jq -s 'map(select(.op == "write" and .error == null).length) | add')" $((9 << 20))
	[ "$(zqublkd trace --json --from numbers.trace | jq -s 'map(select(.op == "read").length) | add')" -ge $((8 << 20)) ] || die "reads are missing"
	equal "finishes" "$(count numbers.trace '.op == "finish" and .zone == 3')" 1
	equal "opens" "$(count numbers.trace '.op == "open" and .zone == 5')" 1
	equal "closes" "$(count numbers.trace '.op == "close" and .zone == 5')" 1
	equal "resets" "$(count numbers.trace '.op == "reset" and (.zone == 2 or .zone == 3)')" 2
	equal "write pointer of zone 2" "$(count numbers.trace '.event == "write-pointer-moved" and .zone == 2 and .condition == "full"')" 1
	equal "zones implicitly open" "$(zqublkd trace --json --from numbers.trace | jq -s 'map(select(.event == "implicitly-open-zones").count) | join(" ")')" '"1 0 1 0"'
	equal "dropped" "$(count numbers.trace '.event == "end" and .count == 0')" 1
	zqublkd trace --from numbers.trace >text
	grep -q 'finish zone 3' text || die "the text has no finish"
	zqublkd trace --time 1s "$dev" >live &
	sleep 0.3
	dd if="$dev" of=/dev/null bs=4k count=1 iflag=direct status=none
	wait $!
	grep -q 'read zone 0, 4096 bytes at 0' live || die "not seen: $(<live)"
	pass "a trace agrees with fio and blkzone"
}

# little_room: a ring that is too small says so, requests go on, nobody replays it.
little_room() {
	begin little.trace --ring 16
	fio --name=c --filename="$dev" --direct=1 --ioengine=libaio --iodepth=32 --rw=randread --bs=4k --size=8M --io_size=64M >/dev/null
	finish
	[ "$(zqublkd trace --json --from little.trace | tail -1 | jq .count)" -gt 0 ] || die "nothing was dropped"
	equal "what was dropped" "$(zqublkd trace --json --from little.trace | tail -1 | jq '.count == .lost.request')" true
	refused 3 'lacks events' zqublkd replay little.trace "$dev"
	pass "a ring that is too small says what it dropped"
}

life() {
	blkzone reset "$dev"
	begin life.trace
	mkfs.btrfs -q -f -O zoned -d single -m single "$dev"
	mkdir -p mnt
	mount -t btrfs "$dev" mnt
	cp -r /usr/lib/python3* mnt/ 2>/dev/null || cp -r /usr/share mnt/
	sync
	head -c 40M /dev/urandom >mnt/file
	sync
	umount mnt
	finish
	blkzone report "$dev" >want
	say "$(count life.trace '.event == "request"') requests, $(count life.trace '.op == "append"') of them appends"
	equal "dropped" "$(count life.trace '.event == "dropped"')" 0
	pass "a life of btrfs is traced"
}

# same NODE: its zones are those of the device that was traced.
same() {
	# null_blk has no write pointer in a full zone, by its own way of saying so
	diff <(sed -E '/\(fu\)/s/wptr 0x[0-9a-f]+//' want) <(blkzone report "$1" | sed -E '/\(fu\)/s/wptr 0x[0-9a-f]+//') || die "the zones of $1 differ"
}

second() {
	zqublkd create -o $make second.qcow2 >/dev/null
	local first=$dev
	other=$(zqublkd add second.qcow2)
	zqublkd replay life.trace "$other"
	same "$other"
	refused 1 'at the beginning zone .* --prepare' zqublkd replay life.trace "$other"
	zqublkd replay --prepare --json life.trace "$other" >out
	equal "differences" "$(jq .found out)" 0
	same "$other"
	btrfs_holds "$other"
	zqublkd del "$other"
	verify_image second.qcow2
	dev=$first id=${first#/dev/ublkb}
	pass "replayed on a second device"
}

# btrfs_holds NODE: a replay has no data: it must not look like a file system.
btrfs_holds() { ! mount -t btrfs "$1" mnt 2>/dev/null || die "a replay has made a file system"; }

null_device() {
	modprobe null_blk nr_devices=0
	local c=/sys/kernel/config/nullb/nullb0
	mkdir $c
	echo 512 >$c/size
	echo 1 >$c/zoned
	echo 8 >$c/zone_size
	echo 1 >$c/memory_backed
	echo 4096 >$c/blocksize
	[ -z "${1:-}" ] || echo "$1" >$c/zone_max_active
	[ -z "${1:-}" ] || echo "$1" >$c/zone_max_open
	echo 1 >$c/power
	null=/dev/nullb0
	eventually 5 test -b "$null"
}

null_gone() { rmdir /sys/kernel/config/nullb/nullb0; }

null() {
	null_device
	zqublkd replay life.trace "$null"
	same "$null"
	pass "replayed on null_blk"

	# Planted: one request of the trace is answered otherwise.
	python3 -E -S - <<-'END'
		data = bytearray(open("life.trace", "rb").read())
		writes = [at for at in range(128, len(data), 64) if data[at] == 1 and data[at + 1] in (2, 3) and data[at + 2] == 0]
		data[writes[len(writes) // 2] + 2] = 28
		open("planted.trace", "wb").write(data)
	END
	refused 1 '1 differences' zqublkd replay --prepare planted.trace "$null"
	! zqublkd replay --prepare planted.trace "$null" >out 2>&1 || die "a planted difference is none"
	grep 'ENOSPC in the trace, success on the device' out || die "not told: $(<out)"
	null_gone
	null_device 2
	! zqublkd replay life.trace "$null" >out 2>&1 || die "a limit of two zones makes no difference"
	grep '^note: limits differ' out || die "not noted: $(<out)"
	grep -Em 1 '^difference: .* success in the trace, (ETOOMANYREFS|EOVERFLOW) on the device' out || die "not found: $(<out)"
	null_gone
	pass "planted differences are found"
}

numbers
little_room
life
second
null
del
refused 3 'not a trace' zqublkd replay /etc/passwd /dev/null
verify_image disk.qcow2
leftovers
pass "done"
