# SPDX-License-Identifier: Apache-2.0
# Hostile surroundings: a full file system, a failing disk and a truncated file
# under the image, a full run directory. Each becomes an errno of the request
# that met it, nothing hangs, and after the cause is gone the device works or
# says what to do.
. "$(dirname "$0")/lib.sh"
load_driver
modprobe -a dm_mod dm_flakey loop
rounds=1
[ "$SIZE" = full ] && rounds=10
block=4096
zone=$((4 << 20))

# soon COMMAND...: it must end, one way or the other.
soon() {
	local code=0
	timeout 60 "$@" || code=$?
	[ $code != 124 ] || die "$*: hangs"
	return $code
}

# put FILE AT LENGTH: writes part of a file of data to the device, both at byte AT.
put() { soon dd if="$1" of="$dev" bs=64k iflag=skip_bytes,count_bytes oflag=seek_bytes,direct conv=notrunc skip="$2" seek="$2" count="$3" status=none; }

# got AT LENGTH: the digest of what the device holds there.
got() { soon dd if="$dev" bs=64k iflag=skip_bytes,count_bytes,direct skip="$1" count="$2" status=none | sum; }

want() { dd if="$1" bs=64k iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none | sum; }

# wp N: bytes written in zone N.
wp() {
	local line
	line=$(blkzone report -o $(($1 * zone / 512)) -c 1 "$dev")
	case $line in
	*'14(fu)'*) echo $zone ;;
	*) echo $((512 * $(sed -E 's/.*wptr (0x[0-9a-f]+).*/\1/' <<<"$line"))) ;;
	esac
}

# same DATA N: zone N holds data of its own, as far as it is written.
same() { equal "zone $2" "$(got $(($2 * zone)) "$(wp "$2")")" "$(want "$1" $(($2 * zone)) "$(wp "$2")")"; }

state() { zqublkd list | awk -v id="$id" '$1 == id { print $5 }'; }

# says REGEXP: the device's list of errors has it.
says() { zqublkd errors "$id" | grep -Eq -- "$1" || die "errors: no '$1' in: $(zqublkd errors "$id")"; }

head -c $((12 * zone)) /dev/urandom >data

# full_disk NAME MOUNT...: on a file system of 20 MiB, of which a filler takes 7.
full_disk() {
	local name=$1 k
	shift
	mkdir -p full
	"$@"
	zqublkd create -o size=$((16 * zone)),zone.mode=host-managed,zone.size=$zone,zone.conventional_zones=1,zone.max_active_zones=10 full/disk.qcow2 >/dev/null
	fallocate -l 7M full/filler
	add full/disk.qcow2
	for k in 1 2 3 4 5; do
		put data $((k * zone)) $zone 2>out || break
	done
	grep -q 'No space left on device' out || die "$name: $(<out)"
	says 'no space left on device'
	equal "state" "$(state)" live
	[ "$k" -gt 1 ] || die "not even one zone fits"
	for ((k = k; k > 0; k--)); do same data $k; done
	# Buffered writes meet it when they are written back; the kernel tells a
	# block device's fsync(2) of most errors as EIO.
	! soon dd if=data of="$dev" bs=1M count=4 conv=notrunc,fsync status=none 2>out || die "$name: fsync on a full disk succeeded"
	grep -Eq 'fsync failed.*(No space left on device|Input/output error)' out || die "$name, fsync: $(<out)"
	blkzone report "$dev" >before
	rm full/filler
	soon dd if=data of="$dev" bs=1M count=4 conv=notrunc,fsync status=none
	blkzone report "$dev" | diff before -
	for k in 1 2; do
		put data $((k * zone + $(wp $k))) $((zone - $(wp $k)))
		same data $k
	done
	blkzone reset -o $((zone / 512)) -l $((zone / 512)) "$dev"
	put data $zone $((zone / 2))
	soon sync "$dev"
	same data 1
	equal "the conventional zone" "$(got 0 $zone)" "$(want data 0 $zone)"
	del
	until_ok no_devices
	mv full/disk.qcow2 disk.qcow2
	umount full
	mended disk.qcow2
	verify_image disk.qcow2
	rm disk.qcow2
	pass "full $name: ENOSPC at write(2) and fsync(2), then it goes on"
}

# mended IMAGE: it has leaked clusters at worst, and none after it was open.
mended() {
	zqublkd check "$1" >out || [ $? = 3 ] || die "check: $(<out)"
	say "$(grep -c '^leak: ' out || true) clusters leaked"
	add "$1"
	del
	until_ok no_devices
}

on_tmpfs() { mount -t tmpfs -o size=20M tmpfs full; }

on_ext4() {
	truncate -s 20M backing
	mkfs.ext4 -q -F -m 0 -O ^has_journal backing
	mount -o loop backing full
}

# bad MODE: how the disk under the image behaves from now on.
bad() {
	local size table
	size=$(blockdev --getsz "$loop")
	case $1 in
	fine) table="0 $size linear $loop 0" ;;
	writes) table="0 $size flakey $loop 0 0 60 1 error_writes" ;;
	all) table="0 $size error" ;;
	esac
	dmsetup suspend --noflush --nolockfs bad
	dmsetup load bad --table "$table"
	dmsetup resume bad
}

# unclean: del of a disk that has failed ends its daemon, for good, and says what is lost.
unclean() {
	! soon zqublkd del "$id" 2>out || die "del does not say that the image was not closed in order"
	grep -q 'is gone: .*not closed in order.*zqublkd check' out || die "del: $(<out)"
	until_ok no_devices
	until_ok no_daemons
	equal "list" "$(zqublkd list -n | wc -l)" 0
}

bad_disk() {
	truncate -s 40M medium
	loop=$(losetup -f --show medium)
	dmsetup create bad --table "0 $(blockdev --getsz "$loop") linear $loop 0"
	until_ok test -b /dev/mapper/bad
	zqublkd create --force -o size=$((16 * zone)),zone.mode=host-managed,zone.size=$zone,zone.conventional_zones=1 /dev/mapper/bad >/dev/null
	add /dev/mapper/bad
	put data $zone $((1 << 20))
	soon sync "$dev"

	bad writes
	fails 'Input/output error' put data $((zone + (1 << 20))) $block
	equal "write pointer after a failed write" "$(wp 1)" $((1 << 20))
	same data 1
	says 'input/output error'
	bad fine
	put data $((zone + (1 << 20))) $((1 << 20))
	soon sync "$dev"
	same data 1
	equal "state" "$(state)" live
	pass "failing writes: EIO at write(2), then it goes on"

	bad all
	fails 'Input/output error' soon dd if="$dev" of=/dev/null bs=$block skip=$((zone / block)) count=1 iflag=direct
	bad fine
	same data 1
	pass "failing reads: EIO at read(2), then it goes on"

	put data $((zone + (2 << 20))) $((1 << 20))
	bad writes
	fails 'Input/output error' soon sync "$dev"
	equal "state" "$(state)" failed
	says 'read-only from now on: .*run zqublkd check'
	fails 'Input/output error' put data $((2 * zone)) $block
	! soon blkzone reset -o $((zone / 512)) -l $((zone / 512)) "$dev" 2>/dev/null || die "reset on a failed device succeeded"
	same data 1
	bad fine
	fails 'Input/output error' put data $((2 * zone)) $block
	grep -q 'read-only from now on' "/run/zqublkd/$id/log" || die "the log says nothing: $(<"/run/zqublkd/$id/log")"
	unclean
	mended /dev/mapper/bad
	add /dev/mapper/bad
	[ "$(wp 1)" -ge $((2 << 20)) ] || die "flushed data is gone: write pointer $(wp 1)"
	same data 1
	put data $((zone + $(wp 1))) $((1 << 20))
	soon sync "$dev"
	same data 1
	del
	until_ok no_devices
	dd if=/dev/mapper/bad of=disk.qcow2 bs=1M conv=sparse status=none
	dmsetup remove bad
	losetup -d "$loop"
	rm medium
	verify_image disk.qcow2
	rm disk.qcow2
	pass "a failed fdatasync: read-only, and says so everywhere; sound after"
}

truncated() {
	zqublkd create -o size=$((16 * zone)),zone.mode=host-managed,zone.size=$zone cut.qcow2 >/dev/null
	add cut.qcow2
	put data 0 $zone
	put data $zone $zone
	put data $((2 * zone)) $zone
	soon sync "$dev"
	truncate -s $((2 * zone)) cut.qcow2
	same data 0
	fails 'Input/output error' soon dd if="$dev" of=/dev/null bs=1M skip=$((2 * zone >> 20)) count=4 iflag=direct
	put data $((3 * zone)) $block 2>/dev/null || true
	equal "write pointers" "$(wp 2)" $zone
	truncate -s $((2 * zone)) cut.qcow2
	fails 'Input/output error' soon sync "$dev"
	equal "state" "$(state)" failed
	says 'truncated while it is in use'
	same data 0
	unclean
	zqublkd check cut.qcow2 >out && die "check finds nothing in a truncated image"
	rm cut.qcow2
	pass "truncated under a live device: EIO, read-only, and says so"
}

full_run_dir() {
	mkdir -p /run/zqublkd
	mount -t tmpfs -o size=64K,mode=0755 tmpfs /run/zqublkd
	zqublkd create -o size=$((16 * zone)),zone.mode=host-managed,zone.size=$zone disk.qcow2 >/dev/null
	local room refusals=0
	for room in 0 4096 8192 16384 32768; do
		rm -f /run/zqublkd/filler
		fallocate -l $((65536 - room)) /run/zqublkd/filler
		if dev=$(soon zqublkd add disk.qcow2 2>out); then
			id=${dev#/dev/ublkb}
			put data "$(wp 0)" $block
			soon sync "$dev"
			del
			until_ok no_devices
			continue
		fi
		[ "$(wc -l <out)" = 1 ] && grep -Eq 'run directory is full, .*--run-dir: .*/run/zqublkd.*no space left on device' out || die "add with $room bytes in the run directory: $(<out)"
		say "$room bytes: $(<out)"
		refusals=$((refusals + 1))
		until_ok no_devices
		until_ok no_daemons
	done
	[ $refusals -gt 0 ] || die "the run directory was never full"
	[ $refusals -lt 5 ] || die "nothing was served with 32 KiB of room"
	umount /run/zqublkd
	add disk.qcow2
	put data $((zone * 2)) $block
	del
	until_ok no_devices
	verify_image disk.qcow2
	rm disk.qcow2
	pass "a full run directory is a clear error"
}

no_daemons() { ! pgrep zqublkd >/dev/null; }

for ((round = 0; round < rounds; round++)); do
	full_disk tmpfs on_tmpfs
	full_disk ext4 on_ext4
	bad_disk
	truncated
	full_run_dir
done
equal "hung tasks" "$(dmesg | grep -c 'blocked for more than' || true)" 0
leftovers
