# SPDX-License-Identifier: Apache-2.0
# Devices that come and go, eight at a time, leave nothing behind.
. "$(dirname "$0")/lib.sh"
load_driver

lanes=8 cycles=2 # of each lane
[ "$SIZE" = full ] && cycles=125

# traces: threads of user space, io_uring's workers among them, and files.
traces() {
	ps --ppid 2 -p 2 -N -Lo comm= >/tmp/threads
	sort /tmp/threads
	find /tmp /run /dev ! -path "$work/traces*"
	ls /sys/class/ublk-char /sys/block
}

# lane N CYCLES: creates an image, serves it, sees that it is its own, and deletes both.
lane() {
	local i image=$work/lane$1.qcow2 node
	for ((i = 0; i < $2; i++)); do
		zqublkd create -o size=64M,zone.mode=host-managed,zone.size=8M "$image" >/dev/null
		node=$(zqublkd add "$image")
		printf '%-4096s' "$1 $i" | dd of="$node" bs=4096 oflag=direct conv=notrunc status=none
		equal "first block of $node" "$(dd if="$node" bs=4096 count=1 iflag=direct status=none | tr -d ' ')" "$1$i"
		zqublkd del "$node"
		zqublkd report "$image" | grep 'start: 0x000000000, .*wptr 0x000008 ' >/dev/null || die "$image: $(zqublkd report "$image" | head -1)"
		rm "$image"
	done
}

lane warm 2 # what stays once, like the run directory
rm -f traces.*
traces >traces.before
pids=()
for ((n = 0; n < lanes; n++)); do
	lane $n $cycles &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || die "a lane failed"; done
until_ok no_devices
leftovers
traces >traces.after
diff traces.before traces.after || die "$((lanes * cycles)) cycles left traces"
pass "$((lanes * cycles)) cycles of create, add and del, $lanes at a time"

# One after another each gets the lowest number.
zqublkd create -o size=64M,zone.mode=host-managed,zone.size=8M disk.qcow2 >/dev/null
for ((i = 0; i < 10; i++)); do
	add disk.qcow2
	equal "device in cycle $i" "$dev" /dev/ublkb0
	del
done
leftovers
verify_image disk.qcow2
pass done
