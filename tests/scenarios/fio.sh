# SPDX-License-Identifier: Apache-2.0
# fio's zone mode: several jobs write more zones than may be open and verify what
# they wrote, on one queue and on all, by each way that a program may do its I/O.
. "$(dirname "$0")/lib.sh"
load_driver

jobs=4 zones=64 mib=8 # mib: each job writes
[ "${SIZE:-small}" = small ] || zones=256 mib=64
image=$work/disk.qcow2

# run NAME OPTION...: the jobs, each in its part of the disk.
run() {
	local name=$1
	shift
	fio --name=job --filename="$dev" --zonemode=zbd --direct=1 --thread --numjobs=$jobs --group_reporting \
		--size=$((zones / jobs))z --offset_increment=$((zones / jobs))z --io_size=${mib}M \
		--verify=crc32c --verify_fatal=1 --output-format=json --output=out "$@" || die "fio, $name: $(sed '/^{/,$d' out)"
	sed -n '/^{/,$p' out >json # notes come before it
	equal "errors of fio, $name" "$(jq '[.jobs[].error] | add' json)" 0
	say "$name: $(jq '[.jobs[].write.total_ios] | add' json) writes, $(jq '[.jobs[].read.total_ios] | add' json) reads"
}

conditions() { blkzone report "$dev" | grep -c "zcond:$1" || true; }

# evicted: no more than 6 zones are open, and others had to be closed for them.
evicted() {
	local open=$(conditions ' 2(oi)')
	[ "$open" -le 6 ] || die "$open zones are open"
	[ "$(conditions ' 4(cl)')" -gt 0 ] || die "no zone was closed for another"
}

with=() # more options of add

# round NAME QUEUES LIMITS COMMAND: on a new image.
round() {
	local name=$1 queues=$2 limits=$3
	shift 3
	zqublkd create -o "size=$((zones * 4))M,zone.mode=host-managed,zone.size=4M,zone.capacity=3M,$limits" "$image" >/dev/null
	add "$image" --queues "$queues" "${with[@]}"
	equal "hardware queues" "$(ls "/sys/block/${dev#/dev/}/mq" | wc -l)" $((queues ? queues : $(nproc)))
	"$@"
	del
	verify_image "$image"
	rm "$image"
	pass "$name"
}

# beyond: fio is told to mind no limit, the device keeps it.
beyond() {
	run "psync, one zone after another" --ioengine=psync --rw=write --bs=64k
	del
	add "$image" --queues $queues
	run "libaio, random reads of that" --ioengine=libaio --iodepth=16 --rw=randread --bs=64k
	run "libaio, all zones at once" --ioengine=libaio --iodepth=16 --rw=randwrite --bsrange=4k-128k --ignore_zone_limits=1
	evicted
	run "io_uring, all zones at once" --ioengine=io_uring --iodepth=32 --rw=randwrite --bs=4k --ignore_zone_limits=1
	evicted
}

# within: fio keeps the limits itself.
within() {
	run "io_uring, within the limits" --ioengine=io_uring --iodepth=8 --rw=randwrite --bsrange=4k-128k
	run "psync, within the limits" --ioengine=psync --rw=write --bs=128k
}

round "one queue" 1 zone.max_open_zones=6 beyond
round "all queues" 0 zone.max_open_zones=6 beyond
round "active zones limited" 0 zone.max_open_zones=8,zone.max_active_zones=14 within
with=(--cache=writeback)
round "through the page cache" 0 zone.max_open_zones=8,zone.max_active_zones=14 within
leftovers
