# SPDX-License-Identifier: Apache-2.0
# NVMe zone appends, through an NVMe target that has our device as its namespace:
# the one way to append from user space.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/fs.sh"
. "$(dirname "$0")/nvmet.sh"
load_driver

here=$(dirname "$0")

# life NAME BLOCK CREATE-OPTION...
life() {
	local name=$1 block=$2 image=$work/disk.qcow2 zone
	shift 2
	zqublkd create -o zone.mode=host-managed,size=128M,zone.size=16M,zone.capacity=12M "$@" "$image" >/dev/null
	add "$image"
	target
	zone=$(((16 << 20) / block))
	trace_appends
	python3 "$here/appends.py" $generic 1 "$block" 8 $((0 * zone)) $((2 * zone)) $((5 * zone)) >lines
	[ "$(appended)" -ge 512 ] || die "$(appended) appends reached the device, want 512"
	appends_on_all_queues 2
	python3 "$here/landed.py" $nvme "$block" <lines >ends
	untarget
	del
	add "$image"
	python3 "$here/landed.py" "$dev" "$block" <lines | cmp - ends
	while read -r start end; do
		equal "write pointer of the zone at block $start" \
			"$(blkzone report -o $((start * block / 512)) -c 1 "$dev" | sed -E 's/.*wptr (\S+) .*/\1/')" \
			"$(printf '0x%06x' $(((end - start) * block / 512)))"
	done <ends
	full
	del
	verify_image "$image"
	rm "$image"
	pass "$name"
}

# full: what does not fit below the capacity takes nothing, what fits exactly
# fills the zone. The target makes an internal error of our EIO.
full() {
	local at=$((3 * zone)) end=$((3 * zone + (12 << 20) / block))
	target
	dd if=/dev/urandom of=data bs=32k count=2 status=none
	dd if=/dev/zero of=$nvme bs=1M seek=48 count=11 oflag=direct status=none
	dd if=/dev/zero of=$nvme bs=32k seek=$(((48 + 11) * 32)) count=31 oflag=direct status=none
	fails "Internal Error" nvme zns zone-append $nvme -s $at -z 65536 -d data
	nvme zns zone-append $nvme -s $at -z 32768 -d data >said
	grep -q "LBA $(printf %x $((end - 32768 / block)))$" said || die "$(cat said), want the last 32 KiB"
	fails "Internal Error" nvme zns zone-append $nvme -s $at -z 32768 -d data
	dd if=$nvme bs=32k skip=$((48 * 32 + 12 * 32 - 1)) count=1 iflag=direct status=none | cmp -n 32768 - data
	untarget
}

# files: 64 writers at once on a btrfs, whose data goes out as appends. Every
# file is what was written, also when the disk and its page cache are new.
files() {
	local i image=$work/files.qcow2
	modprobe btrfs
	mkdir mnt parts
	zqublkd create -o zone.mode=host-managed,size=256M,zone.size=4M "$image" >/dev/null
	add "$image"
	mkfs.btrfs -q -f -O zoned "$dev"
	mount -t btrfs "$dev" mnt
	dd if=/dev/urandom bs=1M count=16 status=none | split -n 64 -d - parts/
	trace_appends
	for i in parts/*; do
		taskset -c $((10#${i#parts/} % $(nproc))) dd if="$i" of="mnt/${i#parts/}" bs=32K oflag=direct status=none &
		writers+=($!)
	done
	for i in "${writers[@]}"; do wait "$i"; done
	[ "$(appended)" -ge 512 ] || die "$(appended) appends reached the device, want 512"
	appends_on_all_queues 2
	diff -r parts mnt
	umount mnt
	del
	add "$image"
	mount -t btrfs "$dev" mnt
	diff -r parts mnt
	umount mnt
	btrfs check "$dev" >check 2>&1 || die "btrfs check: $(cat check)"
	del
	verify_image "$image"
	pass "64 writers on btrfs"
}

files
life "blocks of 4096" 4096
life "blocks of 512" 512 --logical-block-size 512 -o zone.max_open_zones=2,zone.max_active_zones=4
leftovers
