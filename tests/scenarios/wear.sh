# SPDX-License-Identifier: Apache-2.0
# The counters of zones agree with what fio and blkzone did, number by number, and
# survive a stop, a killed daemon and a power cut as far as they are flushed.
. "$(dirname "$0")/lib.sh"
load_driver

zone=$((8 << 20))

# worn ZONE: its counters in the image, also while it is served.
worn() {
	zqublkd report --wear --json -U disk.qcow2 |
		jq -r ".[] | select(.zone == $1) | \"\\(.resets) \\(.finishes) \\(.bytes) \\(.appends) \\(.evictions)\""
}

put() { dd if=/dev/zero of="$dev" bs=64k oflag=seek_bytes,direct conv=notrunc seek="$1" count="$2" status=none; }
manage() { blkzone "$1" -o $(($2 * zone / 512)) -l $((zone / 512)) "$dev"; }

zqublkd create -o size=256M,zone.mode=host-managed,zone.size=8M,zone.conventional_zones=1,zone.max_open_zones=2,zone.counters=on disk.qcow2 >/dev/null
add disk.qcow2
fio --name=a --filename="$dev" --zonemode=zbd --direct=1 --rw=write --bs=64k --offset=$((2 * zone)) --size=2z --io_size=16M \
	--max_open_zones=1 >/dev/null
sync "$dev"
equal "zone 2, after fio" "$(worn 2)" "0 0 $zone 0 0"
equal "zone 3, after fio" "$(worn 3)" "0 0 $zone 0 0"
manage reset 2
manage reset 2 # is empty already
equal "zone 2, after its reset, without a flush" "$(worn 2)" "1 0 $zone 0 0"
put $((4 * zone)) 3
manage finish 4
equal "zone 4, finished, without a flush" "$(worn 4)" "0 1 $((3 * 65536)) 0 0"
put $((5 * zone)) 1
put $((6 * zone)) 1
put $((7 * zone)) 1 # two may be open: zone 5 is closed
sync "$dev"
equal "zone 5, closed for another" "$(worn 5)" "0 0 65536 0 1"
equal "zone 6" "$(worn 6)" "0 0 65536 0 0"
put 0 4
sync "$dev"
equal "a conventional zone" "$(worn 0)" ""
pass "counters agree with fio and blkzone"

del
add disk.qcow2
put $((6 * zone + 65536)) 1
blkzone reset "$dev"
equal "zone 6, all reset" "$(worn 6)" "1 0 131072 0 0"
equal "zone 2, was empty" "$(worn 2)" "1 0 $zone 0 0"
equal "zone 3" "$(worn 3)" "1 0 $zone 0 0"
del
zqublkd report --wear disk.qcow2
zqublkd info disk.qcow2 | grep 'counters: .* 6 resets, 1 finishes'
pass "they go on after a stop"

# Appends come from file systems only.
add disk.qcow2
modprobe btrfs
mkfs.btrfs -q -f -O zoned "$dev" 2>mkfs || say "$(<mkfs)"
del
verify_image disk.qcow2

zqublkd create --force -o size=512M,zone.mode=host-managed,zone.size=8M,zone.counters=on disk.qcow2 >/dev/null
add disk.qcow2
zqublkd trace -o appends.trace "$dev" &
tracer=$!
eventually 5 test -s appends.trace
mkfs.btrfs -q -f -O zoned -d single -m single "$dev"
mkdir mnt
mount -t btrfs "$dev" mnt
head -c 40M /dev/urandom >mnt/file
umount mnt
sync "$dev"
kill -INT $tracer
wait $tracer
del
traced() { zqublkd trace --json --from appends.trace | jq -s "$1"; }
total() { zqublkd info --json disk.qcow2 | jq ".zoned.counters.$1"; }
equal "appends" "$(total appends)" "$(traced 'map(select(.op == "append" and .error == null)) | length')"
equal "bytes" "$(total bytes)" "$(traced 'map(select((.op == "append" or .op == "write") and .error == null).length) | add')"
[ "$(total appends)" -gt 20 ] || die "btrfs has appended only $(total appends) times"
verify_image disk.qcow2
pass "appends and bytes agree with a trace of btrfs"

# A killed daemon: what was flushed is counted, and counting goes on.
zqublkd create --force -o size=256M,zone.mode=host-managed,zone.size=8M,zone.counters=on disk.qcow2 >/dev/null
add disk.qcow2
put $zone 2
sync "$dev"
pid=$(daemon_of "$id")
kill -KILL "$pid"
until_ok zqublkd errors "$id"
put $((zone + 131072)) 1
sync "$dev"
equal "zone 1, its daemon was killed" "$(worn 1)" "0 0 196608 0 0"
put $((2 * zone)) 1
sync "$dev"
put $((2 * zone + 65536)) 8
zqublkd powercut "$dev" --mode lose
del
until_ok no_devices
bytes=$(worn 2 | cut -d' ' -f3)
[ "$bytes" -ge 65536 ] && [ "$bytes" -le $((9 * 65536)) ] || die "zone 2 has counted $bytes bytes"
pass "a killed daemon and a power cut keep what was flushed"
verify_image disk.qcow2

zqublkd create -o size=64M,zone.mode=host-managed,zone.size=8M none.qcow2 >/dev/null
refused 1 'keeps no counters' zqublkd report --wear none.qcow2
leftovers
pass "done"
