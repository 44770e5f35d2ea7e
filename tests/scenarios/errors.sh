# SPDX-License-Identifier: Apache-2.0
# Wrong input: one line that names the thing and the way out, and a documented
# exit code. On 6.1, which has no ublk at all, that is all there is to see.
. "$(dirname "$0")/lib.sh"

failed=1 usage=2 image=3 kernel_lacks=4 permission=5 in_use=6

create() { zqublkd create -o "zone.mode=host-managed,$1" "${2-new.qcow2}" "${@:3}"; }

create size=64M,zone.size=8M disk.qcow2 >/dev/null

# The driver is not loaded, or there is none (6.1).
refused $kernel_lacks 'ublk driver is not loaded .*run modprobe ublk_drv' zqublkd add disk.qcow2
refused $kernel_lacks 'ublk driver is not loaded .*run modprobe ublk_drv' zqublkd features
if [[ $kernel = 6.1.* ]]; then
	fails 'not found' modprobe ublk_drv
	refused $kernel_lacks 'Linux 6\.6 or newer' zqublkd add disk.qcow2
	zqublkd check disk.qcow2 >/dev/null
	leftovers
	pass "done: no ublk"
	exit
fi
load_driver
pass "driver"

# Geometry that can't be.
refused $usage 'zone\.size.* must be a power of two' create size=96M,zone.size=3M
refused $usage 'zone\.capacity.* must not be above zone\.size' create size=64M,zone.size=8M,zone.capacity=9M
refused $usage 'zone\.capacity.* multiple of the logical block size 4096' create size=64M,zone.size=8M,zone.capacity=4608
refused $usage 'zone\.max_open_zones.* must not be above zone\.max_active_zones \(3\)' create size=64M,zone.size=8M,zone.max_open_zones=4,zone.max_active_zones=3
refused $usage 'zone\.max_active_zones.* number of zones, 8' create size=64M,zone.size=8M,zone.max_active_zones=9
refused $usage 'zone\.max_open_zones.* number of zones, 8' create size=64M,zone.size=8M,zone.max_open_zones=9
refused $usage 'zone\.max_append_bytes.* zone\.capacity' create size=64M,zone.size=8M,zone.max_append_bytes=8M
refused $usage 'zone\.size.* zones, at most [0-9]+ are allowed; use larger zones' create size=1T,zone.size=64K
refused $usage 'zone\.conventional_zones.* must be below the number of zones, 8' create size=64M,zone.size=8M,zone.conventional_zones=8
refused $usage 'zone\.size.* multiple of cluster_size' create size=64M,zone.size=32K
refused $usage 'size' create zone.size=8M
[ ! -e new.qcow2 ] || die "a refused create left a file"
pass "geometry"

# Words and numbers that can't be.
refused $usage 'zone\.sise: no such option: did you mean zone\.size.*zone\.capacity' create size=64M,zone.sise=8M
refused $usage 'zone options in -o need zone\.mode=host-managed' zqublkd create -o size=64M,zone.size=8M new.qcow2
refused $usage 'host-aware.* only host-managed' zqublkd create -o size=64M,zone.mode=host-aware new.qcow2
for size in 12Q -1 1.5 0.3K '' M 99999999999999999999 8E 16E; do
	refused $usage 'size' zqublkd create --zone-size 8M -o "size=$size" new.qcow2
done
refused $usage 'zone\.conventional_zones.*"many" is no whole number' create size=64M,zone.conventional_zones=many
refused $usage 'zone-size.*"8Z"' zqublkd create --size 64M --zone-size 8Z new.qcow2
refused $usage 'no flag --sice: did you mean --size' zqublkd create --sice 64M new.qcow2
refused $usage 'no verb "ad": did you mean add' zqublkd ad disk.qcow2
refused $usage 'depth 0: must be from 1 to 4096' zqublkd add --depth 0 disk.qcow2
refused $usage 'depth 5000: must be from 1 to 4096' zqublkd add --depth 5000 disk.qcow2
refused $usage 'queues 5000: must be at most 4096' zqublkd add --queues 5000 disk.qcow2
refused $usage 'id -2' zqublkd add --id -2 disk.qcow2
refused $usage 'cache "fast".* must be none or writeback' zqublkd add --cache fast disk.qcow2
refused $usage 'recovery "maybe".* must be' zqublkd add --recovery maybe disk.qcow2
refused $usage 'log level "loud"' zqublkd add --log-level loud disk.qcow2
refused $usage 'arg' zqublkd add
refused $usage 'arg' zqublkd report disk.qcow2 more
refused $usage 'name a device, several, or all' zqublkd del
refused $usage 'no device is named "nobody\.qcow2": .*zqublkd list' zqublkd del nobody.qcow2
refused $failed 'device 7: not a device of /run/zqublkd .*zqublkd list' zqublkd del 7
refused $failed 'device 7' zqublkd errors 7
[ ! -e new.qcow2 ] || die "a refused create left a file"
pass "options"

# Files that are no image that can be served.
refused $failed 'new\.qcow2.*no such file' zqublkd add new.qcow2
refused $failed 'new\.qcow2.*no such file' zqublkd report new.qcow2
refused $failed 'disk\.qcow2.* exists.*--force' create size=64M,zone.size=8M disk.qcow2
refused $failed '/nowhere/new\.qcow2.*no such file' create size=64M,zone.size=8M /nowhere/new.qcow2
mkdir folder && mkfifo pipe && echo "Not an image, but long enough to be read as one. $(printf '%0600d' 0)" >text && : >empty
for verb in add report export; do
	out=()
	[ $verb != export ] || out=(out.qcow2)
	refused $image 'text.*not a qcow2 image' zqublkd $verb text "${out[@]}"
	refused $image 'empty.*(not a qcow2 image|truncated)' zqublkd $verb empty "${out[@]}"
	refused $image 'folder is a directory; an image lives in' zqublkd $verb folder "${out[@]}"
	refused $image 'pipe is a pipe; an image lives in' zqublkd $verb pipe "${out[@]}"
	refused $image '/dev/null is a character device; an image lives in' zqublkd $verb /dev/null "${out[@]}"
done
refused 1 'text.*not a qcow2 image' zqublkd check text
for bytes in 50 1000 70000 200000; do
	head -c $bytes disk.qcow2 >cut.qcow2
	refused $image 'cut\.qcow2: .*truncated' zqublkd add cut.qcow2
done
truncate -s 1G data && dd if=/dev/urandom of=data bs=1M count=4 conv=notrunc status=none
qemu-img create -q -f qcow2 -b data -F raw backed.qcow2
refused $image 'backed\.qcow2: .*backing file "data".*allow it with --allow-backing' zqublkd add backed.qcow2
zqublkd create --size 64M plain.qcow2 >/dev/null
refused $image 'plain\.qcow2 is a plain qcow2 image, it has no zones' zqublkd report plain.qcow2
# What the format allows and the kernel does not: create wants --force, add refuses.
refused $usage 'short\.qcow2: it could not be served: the last zone is short.*--force' create size=100M,zone.size=8M short.qcow2
create size=100M,zone.size=8M short.qcow2 --force >out 2>note
grep -q "can't be served.* last zone is short" note || die "create says nothing of the short last zone: $(<note)"
refused $image 'short\.qcow2: .*last zone is short .*zqublkd export' zqublkd add short.qcow2
refused $usage 'it could not be served: 16385 zones.*--force' create size=1048640K,zone.size=64K many.qcow2
create size=1048640K,zone.size=64K many.qcow2 --force >out 2>note
grep -q "can't be served.* 16385 zones" note || die "create says nothing of too many zones: $(<note)"
refused $image 'many\.qcow2: .*16385 zones are more than the 16384 .*larger zones' zqublkd add many.qcow2

# odd SIZE CAPACITY CONVENTIONAL OPEN ACTIVE: disk.qcow2 of 8 zones with other
# numbers, and its zone table to match, as another program may have made it.
odd() {
	python3 -E -S - "$@" <<-'END'
		import struct, sys
		size, capacity, conventional, opened, active = (int(a) for a in sys.argv[1:])
		image = bytearray(open("disk.qcow2", "rb").read())
		at = image.index(struct.pack(">II", 0x007A6264, 48)) + 8
		struct.pack_into(">IIIIII", image, at + 4, size, capacity, conventional, 8, active, opened)
		table, = struct.unpack_from(">Q", image, at + 40)
		for i in range(8):
		    struct.pack_into("<Q", image, table + 8 * i, i * size | (i < conventional) << 59)
		open("odd.qcow2", "wb").write(image)
	END
}
odd $((9 << 20)) $((8 << 20)) 0 0 0
refused $image "odd\.qcow2: .*zone size 9437184 is no power of two.*zqublkd export" zqublkd add odd.qcow2
odd $((8 << 20)) $((9 << 20)) 0 0 0
refused $image 'odd\.qcow2: .*zone capacity 9437184 .* zone size 8388608' zqublkd add odd.qcow2
odd $((8 << 20)) $((8 << 20)) 8 0 0
refused $image 'odd\.qcow2: .*all 8 zones are conventional.*zqublkd export' zqublkd add odd.qcow2
pass "files"

# No permission.
chmod 755 . && mkdir -m 777 open && cp disk.qcow2 open/ && cp disk.qcow2 open/secret.qcow2
chmod 644 open/disk.qcow2 && chmod 600 open/secret.qcow2
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
refused $permission 'secret\.qcow2.*permission denied' nobody zqublkd add open/secret.qcow2
refused $permission 'secret\.qcow2.*permission denied' nobody zqublkd info open/secret.qcow2
refused $permission 'ublk-control.*run as root' nobody zqublkd add --read-only open/disk.qcow2
refused $permission 'ublk-control.*run as root' nobody zqublkd features
nobody zqublkd info open/disk.qcow2 >/dev/null
pass "permission"

# In use.
add disk.qcow2
dd if=/dev/urandom of="$dev" bs=64k count=4 oflag=direct conv=notrunc status=none
here="disk\.qcow2 is already in use by process $(pgrep -x zqublkd) \(zqublkd\)"
refused $in_use "$here.* served as $dev .*zqublkd del $id" zqublkd add disk.qcow2
refused $in_use "$here.* served as $dev .*zqublkd del $id" zqublkd serve disk.qcow2
refused $in_use "$here.* served as $dev" zqublkd add --read-only disk.qcow2
refused $in_use "$here.* -U" zqublkd report disk.qcow2
refused $in_use "disk\.qcow2: image is in use: it is served as $dev .*zqublkd del $id" zqublkd create --force --size 64M disk.qcow2
refused 1 "$here" zqublkd check disk.qcow2
refused $in_use "device number $id: taken" zqublkd add --id "$id" plain.qcow2
zqublkd report -U disk.qcow2 >/dev/null
fails 'lock' qemu-img info disk.qcow2
del
python3 -E -S -c '
import fcntl, os, struct, sys, time
f = os.open("disk.qcow2", os.O_RDWR)
fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
os.write(1, b"locked\n")
time.sleep(600)' >locked &
holder=$!
until [ -s locked ]; do sleep 0.05; done
refused $in_use "disk\.qcow2 is already in use by process $holder \(python3\)" zqublkd add disk.qcow2
kill $holder
wait $holder 2>/dev/null || true
add disk.qcow2
del
verify_image disk.qcow2
pass "in use"

leftovers
pass "done"
