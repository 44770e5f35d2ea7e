# SPDX-License-Identifier: Apache-2.0
# Coming and going of devices and daemons: whatever ends them, whoever holds
# them, nothing stays behind and nothing is lost.
. "$(dirname "$0")/lib.sh"
load_driver

# reads: how many requests the device has answered.
reads() { awk '{ print $1 }' "/sys/block/${dev#/dev/}/stat"; }
reads_above() { (($(reads) > $1)); }

blocks() { python3 -E -S "$(dirname "$0")/blocks.py" "$@"; }

create() { zqublkd create --force -o "size=128M,zone.mode=host-managed,zone.size=8M,$2" "$1" >/dev/null; }

# del while somebody reads.
create disk.qcow2 zone.size=8M
add disk.qcow2
head -c 8M /dev/urandom >data
dd if=data of="$dev" bs=1M oflag=direct conv=notrunc status=none
dd if=data of="$dev" bs=1M seek=8 oflag=direct conv=notrunc status=none # no sync: del is one
exec 9<"$dev"
before=$(reads)
(while dd if="$dev" of=/dev/null bs=64k count=128 iflag=direct status=none; do :; done) 2>reader &
reader=$!
until_ok reads_above $((before + 10))
pid=$(daemon_of 0)
refused 6 "$dev is in use: .*process $$ \(bash\)" zqublkd del 0
began=$EPOCHSECONDS
zqublkd del --force 0 2>note
((EPOCHSECONDS - began < 20)) || die "del took $((EPOCHSECONDS - began)) s"
gone "$pid" || die "the daemon is still there"
[ ! -e "$dev" ] || die "the node is still there"
grep -q 'stays in use until the last process' note || die "del says nothing of the reader: $(<note)"
equal "bytes from the old descriptor" "$(head -c 4096 <&9 2>/dev/null | wc -c)" 0
wait $reader || true
add disk.qcow2
equal "number beside one that is held" "$dev" /dev/ublkb1
equal "data after del" "$(dd if="$dev" bs=1M count=8 iflag=direct status=none | sum)" "$(sum data)"
equal "data after del" "$(dd if="$dev" bs=1M skip=8 count=8 iflag=direct status=none | sum)" "$(sum data)"
del
exec 9<&-
until_ok zqublkd add --id 0 disk.qcow2
zqublkd del 0
verify_image disk.qcow2
pass "del --force while somebody reads"

# write_on FIRST: starts a writer of numbered blocks and waits until it has begun.
write_on() {
	: >acknowledged
	python3 -E -S "$(dirname "$0")/blocks.py" write "$dev" "$1" >acknowledged 2>refused &
	writer=$!
	until_ok test -s acknowledged
}

# written: waits until the writer has met an error, and sets last to the number
# of the last block that was acknowledged.
written() {
	! wait $writer || die "the writer ended well"
	last=$(tail -1 acknowledged)
}

# del while somebody writes: what was acknowledged is there.
create disk.qcow2 zone.size=8M
add disk.qcow2
write_on 0
zqublkd del --force "$id" 2>/dev/null
written
say "acknowledged to block $last, then $(<refused)"
add disk.qcow2
blocks check "$dev" 0 "$last"
del
verify_image disk.qcow2
pass "del while somebody writes"

# Several at once.
for name in a b c; do
	create $name.qcow2 zone.size=8M
	add --name "disk-$name" $name.qcow2
	echo "$name" | dd of="$dev" bs=4096 conv=sync,notrunc oflag=direct status=none
done
zqublkd list -o id,node,name,kind,state,size,zones,holders,pid,image >list
for i in 0 1 2; do
	name=$(tr 012 abc <<<$i)
	grep -Eq "^$i +/dev/ublkb$i +disk-$name +zoned +live +[0-9]+M +[0-9]+ +- +$(daemon_of $i) +$work/$name.qcow2" list || die "list: $(<list)"
	equal "contents of device $i" "$(head -c 1 /dev/ublkb$i)" "$name"
done
zqublkd del /dev/ublkc1
[ -b /dev/ublkb0 ] && [ ! -e /dev/ublkb1 ] && [ -b /dev/ublkb2 ] || die "del by name: $(ls /dev/ublkb*)"
add b.qcow2
equal "the free number" "$dev" /dev/ublkb1
zqublkd del "$work/a.qcow2"
zqublkd del --all
leftovers
pass "several at once"

# Signals are an orderly end, in the middle of writes and however many come.
for signals in TERM INT "TERM TERM INT"; do
	create disk.qcow2 zone.size=8M
	add --stop-wait 1s disk.qcow2
	pid=$(daemon_of "$id")
	write_on 0
	for signal in $signals; do kill -$signal "$pid" 2>/dev/null || true; done
	until_ok gone "$pid"
	written
	until_ok no_daemons # who would bring it back goes with it
	leftovers
	zqublkd check disk.qcow2 >/dev/null
	add --stop-wait 1s disk.qcow2
	blocks check "$dev" 0 "$last"
	del
done
zqublkd serve disk.qcow2 2>log &
pid=$!
until_ok test -b /dev/ublkb0
kill -TERM $pid
code=0
wait $pid || code=$?
equal "exit code of serve after SIGTERM" $code 0
grep -q stopping log || die "log of serve: $(<log)"
leftovers
pass "SIGTERM and SIGINT"

# Sudden death of the daemon, nobody to take over: its users get errors. What
# was flushed is there; of the rest, what the write pointers say.
create disk.qcow2 zone.size=8M
add --recovery off disk.qcow2
pid=$(daemon_of "$id")
dd if=data of="$dev" bs=1M oflag=direct conv=notrunc,fsync status=none
write_on 2048
flushed=$(tail -1 acknowledged)
sync "$dev"
kill -KILL "$pid"
written
equal "errno of a write after the daemon's death" "$(<refused)" EIO
until_ok test ! -e "$dev"
zqublkd list -o id,node,state,pid | grep -Eq "^$id +$dev +dead +$pid *$" || die "list: $(zqublkd list)"
fails "$id" zqublkd errors "$id"
del
leftovers
no_devices || die "the driver still has a device"
zqublkd report --json disk.qcow2 >zones
there=$(jq '.[1].write_pointer / 4096 - 1' zones)
say "flushed to block $flushed, acknowledged to $last, there to $there"
((there >= flushed && there <= last + 1)) || die "the write pointer is wrong"
add --recovery off disk.qcow2
equal "data after kill" "$(dd if="$dev" bs=1M count=8 iflag=direct status=none | sum)" "$(sum data)"
blocks check "$dev" 2048 "$there"

# What a dead daemon left is cleared by the next one of that image.
pid=$(daemon_of "$id")
kill -KILL "$pid"
until_ok gone "$pid"
until_ok test ! -e "$dev"
add disk.qcow2
equal "devices" "$(zqublkd list --json | jq length)" 1
del
leftovers
verify_image disk.qcow2
pass "kill -9"

# Nothing to do is nothing done.
add disk.qcow2
pid=$(daemon_of "$id")
ticks() { cat /proc/"$pid"/task/*/stat | awk '{ sub(/.*\) /, ""); n += $12 + $13 } END { print n }'; }
start=$(ticks)
sleep 3 # a span of time, not a wait
used=$(($(ticks) - start))
((used <= 3)) || die "an idle daemon used $used of $((3 * $(getconf CLK_TCK))) ticks"
say "$used ticks in 3 s"
pass "an idle daemon uses no CPU"

# Busy queues leave the rest of the daemon its turn.
fio --name=busy --filename="$dev" --direct=1 --ioengine=io_uring --rw=randread --bs=4k --iodepth=32 --numjobs=2 --size=8M \
	--time_based --runtime=60 >busy 2>&1 &
busy=$!
reads() { awk '{ print $1 }' "/sys/block/${dev#/dev/}/stat"; }
started_reading() { (($(reads) > before + 1000)); }
before=$(reads)
eventually 20 started_reading
before=$(reads)
slowest=0
for ((i = 0; i < 20; i++)); do
	asked=${EPOCHREALTIME/./}
	zqublkd errors "$id" >/dev/null
	took=$(((${EPOCHREALTIME/./} - asked) / 1000))
	((took <= slowest)) || slowest=$took
done
served=$(($(reads) - before))
kill -INT $busy
wait $busy || true # it was interrupted
((served > 1000)) || die "only $served reads were served meanwhile: $(cat busy)"
say "$served reads meanwhile; the slowest of $i answers took $slowest ms, the program's own start among it"
del
leftovers
pass "a busy daemon answers"
pass "done"
