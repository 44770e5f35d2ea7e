# SPDX-License-Identifier: Apache-2.0
# What sysfs says of a device: the image's numbers, by the kernel's own rules.
. "$(dirname "$0")/lib.sh"
load_driver

# shows NAME OPTIONS [ADD OPTION...] -- ATTRIBUTE=VALUE...
shows() {
	local name=$1 options=$2 flags=()
	shift 2
	while [ "$1" != -- ]; do flags+=("$1") && shift; done
	shift
	zqublkd create --force -o "zone.mode=host-managed,$options" disk.qcow2 >/dev/null
	add disk.qcow2 "${flags[@]}"
	equal "$name: zoned" "$(attr zoned)" host-managed
	for pair; do
		equal "$name: ${pair%%=*}" "$(attr "${pair%%=*}")" "${pair#*=}"
	done
	[ -z "${hook-}" ] || $hook
	del
	pass "$name"
}

geometry=size=256M,zone.size=16M # 16 zones

# What every device has in common.
common() {
	equal size "$(attr ../size)" $((256 << 11))
	equal "read-only" "$(attr ../ro)" 0
	equal partitions "$(ls -d "/sys/block/${dev#/dev/}/${dev#/dev/}"* 2>/dev/null || true)" ""
	[ ! -e "/sys/block/${dev#/dev/}/queue/zoned_qd1_writes" ] || equal "one write at a time" "$(attr zoned_qd1_writes)" 0
	equal "queues" "$(ls "/sys/block/${dev#/dev/}/mq" | wc -l)" "$(nproc)"
	[[ $(attr scheduler) = *"[none]"* ]] || die "scheduler: $(attr scheduler)"
}
hook=common
shows "4096-byte blocks, no limits" $geometry,logical_block_size=4096 -- \
	chunk_sectors=32768 nr_zones=16 logical_block_size=4096 physical_block_size=4096 zone_write_granularity=4096 \
	zone_append_max_bytes=1048576 max_open_zones=0 max_active_zones=0 max_hw_sectors_kb=1024 rotational=0 \
	write_cache="write back" fua=1 discard_max_bytes=0 write_zeroes_max_bytes=0
shows "512-byte blocks, capacity, conventional zones, limits" \
	$geometry,logical_block_size=512,zone.capacity=12M,zone.conventional_zones=3,zone.max_open_zones=4,zone.max_active_zones=6 -- \
	chunk_sectors=32768 nr_zones=16 logical_block_size=512 zone_write_granularity=512 \
	max_open_zones=4 max_active_zones=6 rotational=0
hook=

# none is not the kernel's default for a device of one queue.
one_queue() {
	equal "queues" "$(ls "/sys/block/${dev#/dev/}/mq")" 0
	[[ $(attr scheduler) = *"[none]"* ]] || die "scheduler: $(attr scheduler)"
}
hook=one_queue shows "one queue" $geometry --queues 1 -- nr_requests=64
# Each queue's thread bears its name and keeps off the CPU whose requests it serves.
apart() {
	local q cpu tasks
	equal "name of the process" "$(cat "/proc/$(daemon_of "$id")/comm")" zqublkd
	tasks=/proc/$(daemon_of "$id")/task
	for q in 0 1; do
		grep -lx "ublk$id q$q" "$tasks"/*/comm >thread || die "no thread of queue $q: $(cat "$tasks"/*/comm)"
		cpu=$(tr -d ' ' <"/sys/block/${dev#/dev/}/mq/$q/cpu_list")
		equal "CPUs of the thread of queue $q" "$(sed -n 's/^Cpus_allowed_list:\t//p' "$(dirname "$(cat thread)")/status")" $((1 - cpu))
	done
}
hook=apart shows "two queues on two CPUs" $geometry --queues 2 -- nr_requests=64
read_only() { equal "read-only" "$(attr ../ro)" 1; }
hook=read_only shows "read-only, deeper queues" $geometry --read-only --depth 128 -- nr_requests=128

# The append limit: none is as large as a request, and none is larger.
shows "append 0" $geometry,zone.max_append_bytes=0 -- zone_append_max_bytes=1048576
shows "append 128K" $geometry,zone.max_append_bytes=128K -- zone_append_max_bytes=131072
shows "append one block" $geometry,zone.max_append_bytes=4096 -- zone_append_max_bytes=4096
shows "append of more than a request" $geometry,zone.max_append_bytes=4M -- zone_append_max_bytes=1048576
shows "append in small zones" size=16M,zone.size=256K,zone.capacity=192K -- zone_append_max_bytes=196608 nr_zones=64

# Limits that no number of zones can reach are none, to the kernel; counted are
# sequential zones only.
shows "limits one below the zones" $geometry,zone.conventional_zones=4,zone.max_open_zones=11,zone.max_active_zones=11 -- max_open_zones=11 max_active_zones=11
shows "limits of all zones" $geometry,zone.conventional_zones=4,zone.max_open_zones=12,zone.max_active_zones=12 -- max_open_zones=0 max_active_zones=0
shows "open limit only" $geometry,zone.max_open_zones=4 -- max_open_zones=4 max_active_zones=0
shows "active limit only" $geometry,zone.max_active_zones=6 -- max_open_zones=6 max_active_zones=6

# Without limits, the kernel shows the size of its pool of 128 if zones exceed it.
shows "128 sequential zones" size=132M,zone.size=1M,zone.conventional_zones=4 -- nr_zones=132 max_open_zones=0 max_active_zones=0
shows "129 sequential zones" size=133M,zone.size=1M,zone.conventional_zones=4 -- nr_zones=133 max_open_zones=128 max_active_zones=0
shows "limits of 200 of 256 zones" size=256M,zone.size=1M,zone.max_open_zones=200,zone.max_active_zones=200 -- max_open_zones=200 max_active_zones=200
shows "16384 zones" size=1G,zone.size=64K -- nr_zones=16384 chunk_sectors=128 max_open_zones=128 zone_append_max_bytes=65536

leftovers
pass "done"
