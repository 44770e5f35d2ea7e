# SPDX-License-Identifier: Apache-2.0
# Records what btrfs and f2fs send to a zoned device, from the kernel's own
# trace of the block layer, for the crash tests of internal/engine to replay.
# Runs inside a test VM with Linux 7.3, whose trace names zone operations; what
# it makes goes to /out:
#
#	make build && tests/vm/run --kernel 7.3 --out internal/engine/testdata --file bin/zqublkd \
#		--file tests/scenarios --file tests/streams bash /opt/zqublkd/streams/record.sh
. "$(dirname "$0")/../scenarios/lib.sh"
tracing=/sys/kernel/tracing
load_driver
modprobe -a btrfs f2fs
mountpoint -q $tracing || mount -t tracefs tracefs $tracing
echo 65536 >$tracing/buffer_size_kb
mkdir mnt

trace() { echo "$1" | tee $tracing/events/block/block_rq_{issue,complete}/enable >$tracing/tracing_on; }

# work: small files with fsync, overwritten and deleted, and a larger one, so
# large that zones are reset when it goes.
work() {
	local k
	for k in 1 2 3 4 5 6 7 8; do
		head -c $((k * 9000)) /dev/urandom >"mnt/f$k"
		sync "mnt/f$k"
	done
	head -c "$large" /dev/urandom >mnt/large
	sync mnt/large
	rm mnt/f3 mnt/f6
	head -c 30000 /dev/urandom >mnt/f2
	mv mnt/f1 mnt/f9
	sync -f mnt
	head -c 700000 /dev/urandom | dd of=mnt/large bs=4096 conv=notrunc status=none
	sync mnt/large
	rm mnt/large mnt/f2
	mkdir -p mnt/d
	for k in $(seq 40); do echo "$k" >"mnt/d/$k"; done
	sync -f mnt
}

# record NAME MKFS...: of a life of a file system on a new device.
record() {
	local name=$1
	shift
	echo >$tracing/trace
	trace 1
	"$@" "$dev" >mkfs.log || die "$(<mkfs.log)"
	mount -t "$name" "$dev" mnt
	work
	umount mnt
	mount -t "$name" "$dev" mnt
	work
	umount mnt
	trace 0
	cp $tracing/trace "$name.trace"
	python3 "$(dirname "$0")/compact.py" "$(cat "/sys/block/${dev#/dev/}/dev")" <"$name.trace" >"$name.stream"
	say "$name: $(grep -c block_rq_issue "$name.trace") requests, $(gzip -9nc "$name.stream" | wc -c) bytes"
	gzip -9nc "$name.stream" >"/out/$name.stream.gz"
}

# with NAME CREATE-OPTIONS MKFS...
with() {
	local name=$1 options=$2
	shift 2
	zqublkd create -o "zone.mode=host-managed,$options" "$name.qcow2"
	add "$name.qcow2"
	record "$name" "$@"
	del
	verify_image "$name.qcow2"
}

large=1500000
with btrfs size=256M,zone.size=4M,zone.capacity=3M,zone.max_open_zones=12,zone.max_active_zones=14 mkfs.btrfs -q -f -O zoned -d single -m single
large=5000000
with f2fs size=256M,zone.size=2M,zone.conventional_zones=24 mkfs.f2fs -q -f -m
leftovers
