# SPDX-License-Identifier: Apache-2.0
# What drives do to their users, on purpose: each kind of fault as dd, fio and blkzone
# see it, a storm of them under writes that are verified, zones that degrade while they
# are used, and power cuts under btrfs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/zones.sh"
load_driver
modprobe btrfs

zone=$((8 << 20)) # bytes, see make_disk
cuts=2
[ "${SIZE:-small}" = small ] || cuts=40

fault() { zqublkd fault add "$id" "$@" >/dev/null; }
clear_faults() { zqublkd fault clear "$id"; }
met() { zqublkd fault list "$id" --json | jq '[.[].met] | add'; }
put() { dd if=/dev/zero of="$dev" bs=64k oflag=seek_bytes,direct conv=notrunc seek="$1" count=1 status=none; }
get() { dd if="$dev" of=/dev/null bs=64k iflag=skip_bytes,direct skip="$1" count=1 status=none; }
manage() { blkzone "$1" -o $(($2 * zone / 512)) -l $((zone / 512)) "$dev"; }

kinds() {
	make_disk zone.max_open_zones=3
	put $zone
	fault --op read --status ENODATA --zone 1 --count 1
	fails 'No data available' get $zone
	get $zone
	clear_faults
	fault --op read --status EILSEQ --start $((zone / 512)) --nr-sectors 8
	fails 'Invalid or incomplete' get $zone
	get $((2 * zone))
	clear_faults
	fault --op write --status ENOSPC --zone 2
	fails 'No space left on device' put $((2 * zone))
	explained 'fault [0-9]+: write at 16777216: no space left on device'
	clear_faults
	blkzone report "$dev" >/dev/null # the kernel learns the write pointer again
	put $((2 * zone))
	fault --op write --status ETIMEDOUT --zone 0 --torn --seed 3
	fails 'timed out' put 0
	clear_faults
	fault --op flush --status EIO
	fails 'Input/output error' sync "$dev"
	clear_faults
	sync "$dev"
	local op
	for op in reset open close finish; do
		fault --op $op --status EIO --zone 3 --count 1
		fails 'Input/output error' manage $op 3
		equal "met by $op" "$(met)" 1
		manage $op 3
		clear_faults
	done
	fault --op report --status EIO --count 1
	! blkzone report "$dev" >/dev/null 2>&1 || die "a report that fails has not failed"
	clear_faults
	blkzone report "$dev" >/dev/null
	pass "each kind of request fails as it was told to, and only that"

	fault --op read --delay 300ms..400ms --count 4 --zone 1
	fio --name=late --filename="$dev" --offset=$zone --size=64k --rw=read --bs=16k --direct=1 --output-format=json >out
	local least
	least=$(jq '.jobs[0].read.clat_ns.min' out)
	[ "$least" -ge 300000000 ] || die "a read that was held up took $least ns"
	clear_faults
	pass "a request comes late, as fio sees it"

	refused 2 'has no place' zqublkd fault add "$id" --op flush --status EIO --zone 1
	refused 1 'zones 0 to 15' zqublkd fault add "$id" --op read --status EIO --zone 16
	refused 1 'there is no fault 99' zqublkd fault clear "$id" 99
	del
	verify_image disk.qcow2
}

# storm: every write that was acknowledged is there, also after del and add, whatever
# has failed around it.
storm() {
	make_disk zone.max_open_zones=6
	fault --op write --status EIO --chance 8 --torn --seed 1
	fault --op write --delay 0ms..5ms --chance 5 --seed 2
	fault --op flush --status EIO --chance 3 --seed 3
	cat >storm.py <<-'END'
		import mmap, os, struct, subprocess, sys
		dev, do = sys.argv[1:]
		zone, n = 8 << 20, 64 << 10
		buffer = mmap.mmap(-1, n)
		fd = os.open(dev, os.O_RDWR | os.O_DIRECT)
		failed = 0
		for at in [z * zone + k * n for k in range(20) for z in range(1, 7)]:
		    want = struct.pack("<Q", at) * (n // 8)
		    if do == "read":
		        os.preadv(fd, [buffer], at)
		        assert buffer[:] == want, f"byte {at}: acknowledged, and not there"
		        continue
		    buffer[:] = want
		    while True:
		        try:
		            os.pwrite(fd, buffer, at)
		            break
		        except OSError:
		            failed += 1
		            subprocess.run(["blkzone", "report", dev], check=True, stdout=subprocess.DEVNULL)
		            if failed % 3 == 0:
		                try:
		                    os.fsync(fd)
		                except OSError:
		                    pass
		assert do == "read" or failed > 5, failed
	END
	python3 storm.py "$dev" write
	say "faults have met $(met) requests"
	python3 storm.py "$dev" read
	clear_faults
	fio --name=after --filename="$dev" --zonemode=zbd --direct=1 --offset=$((8 * zone)) --size=4z --io_size=16M --rw=write --bs=64k \
		--verify=crc32c --verify_fatal=1 >out || die "fio after the storm: $(<out)"
	del
	add disk.qcow2
	python3 storm.py "$dev" read
	del
	verify_image disk.qcow2
	pass "a storm of faults loses nothing that was acknowledged"
}

degrade() {
	make_disk zone.max_open_zones=3
	zones <<-END
		write 1 0 64K
		write 2 0 64K
		write 3 0 64K
	END
	zqublkd zone set "$dev" 1 read-only
	zqublkd zone set "$dev" 2 offline
	zqublkd zone set "$dev" 3 full
	zones <<-END
		zone 1 ro
		zone 2 of
		zone 3 fu
		read 1 0 64K data
		write 1 64K 64K EIO
		read 2 0 64K EIO
		read 3 0 64K data
		read 3 64K 64K zeros
	END
	del
	add disk.qcow2
	zones <<-END
		zone 1 ro
		zone 2 of
		zone 3 fu
	END
	del
	pass "zones degrade in use and stay so"
}

power() {
	local k mnt=$work/mnt
	mkdir -p "$mnt"
	zqublkd create --force -o size=512M,zone.mode=host-managed,zone.size=8M disk.qcow2 >/dev/null
	add disk.qcow2
	mkfs.btrfs -q -f -O zoned "$dev"
	for ((k = 1; k <= cuts; k++)); do
		mount -t btrfs "$dev" "$mnt"
		head -c 1M /dev/urandom >"safe$k"
		dd if="safe$k" of="$mnt/safe$k" bs=64k conv=fsync status=none
		head -c 3M /dev/urandom | dd of="$mnt/lost$k" bs=64k status=none
		zqublkd powercut "$dev" --seed $k
		! dd if=/dev/zero of="$mnt/late" bs=64k count=16 conv=fsync status=none 2>/dev/null || die "fsync without power succeeded"
		umount "$mnt"
		del
		until_ok no_devices
		zqublkd check disk.qcow2 >out || [ $? = 3 ] || die "check after cut $k: $(<out)"
		add disk.qcow2
		btrfs check "$dev" >out 2>&1 || die "btrfs check after cut $k: $(<out)"
		mount -t btrfs -o ro "$dev" "$mnt"
		for ((j = 1; j <= k; j++)); do cmp "safe$j" "$mnt/safe$j" || die "cut $k: fsynced file $j is not there"; done
		umount "$mnt"
	done
	del
	verify_image disk.qcow2
	pass "$cuts power cuts under btrfs, fsynced files there"
}

kinds
storm
degrade
power
leftovers
