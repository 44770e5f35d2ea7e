# SPDX-License-Identifier: Apache-2.0
# The conformance cases of zoned/zonetest, on a served image and on null_blk
# with the same zones and limits. They are a test binary, which knows where the
# kernel and null_blk differ: zoned/zonetest/blockdev/differences.go.
. "$(dirname "$0")/lib.sh"
load_driver

# conforms NAME DEVICE OPTIONS...
conforms() {
	local log=$1.log
	if ! zonetest -test.v -device "${@:2}" >"$log" 2>&1; then
		grep -Ev '^(=== |    --- PASS)' "$log"
		die "the cases on $1"
	fi
	pass "$1: $(grep -o '[0-9]* of [0-9]* cases ran' "$log"), $(grep -c 'differs, as known' "$log") differ as known"
}

# ours NAME CREATE-OPTIONS [OPTIONS]...: the cases on an image.
ours() {
	zqublkd create --force -o "zone.mode=host-managed,$2" disk.qcow2 >/dev/null
	add disk.qcow2
	conforms "$1" "$dev" "${@:3}"
	del
	verify_image disk.qcow2
}

# null_blk ATTRIBUTE=VALUE...: makes /dev/nullb0, backed by memory.
null_blk() {
	local a
	mkdir $nullb
	for a in zoned=1 memory_backed=1 max_sectors=2048 "$@" power=1; do
		echo "${a#*=}" >"$nullb/${a%=*}"
	done
	eventually 10 test -b /dev/nullb0
}

# theirs NAME WITHOUT RUN ATTRIBUTE=VALUE...: the cases on null_blk.
theirs() {
	null_blk "${@:4}"
	conforms "$1" /dev/nullb0 -without "$2" -null_blk $nullb -test.run "$3"
	echo 0 >$nullb/power
	rmdir $nullb
}

modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config

nullb=/sys/kernel/config/nullb/nullb0

always="a limit of appends; appends; failing writes"
limited="unlimited active zones; unlimited open zones; a capacity of the zone size"
unlimited="a limit of active zones; a limit of open zones; a limit of two or more open zones; more active than open zones; a capacity below the zone size"

ours limits "size=28M,logical_block_size=512,zone.size=2M,zone.capacity=1M,zone.conventional_zones=2,zone.max_open_zones=3,zone.max_active_zones=5" \
	-without "$always; $limited" \
	-cycle "zqublkd del 0 && zqublkd add --id 0 $work/disk.qcow2" \
	-degrade "zqublkd del 0 && zqublkd zone set $work/disk.qcow2 --zone \$ZONE --condition \$CONDITION && zqublkd add --id 0 $work/disk.qcow2"
theirs null_blk-limits "$always; $limited; power cycles; requests as large as a zone" . \
	size=28 blocksize=512 zone_size=2 zone_capacity=1 zone_nr_conv=2 zone_max_open=3 zone_max_active=5
# What block size, capacity and limits make a difference to.
some='TestDevice/(report|write|capacity|boundary|read|no-limits|reset-all)'
ours no-limits "size=8M,logical_block_size=4096,zone.size=1M,zone.conventional_zones=1" \
	-without "$always; $unlimited; read-only and offline zones; power cycles" -test.run "$some"
theirs null_blk-no-limits "$always; $unlimited; power cycles; requests as large as a zone" "$some" \
	size=8 blocksize=4096 zone_size=1 zone_nr_conv=1
rmmod null_blk
leftovers
pass "done"
