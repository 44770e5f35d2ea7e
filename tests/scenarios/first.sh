# SPDX-License-Identifier: Apache-2.0
# The first byte: create, add, report, write, read back, del, add again.
. "$(dirname "$0")/lib.sh"
load_driver

zqublkd create -o size=256M,zone.mode=host-managed,zone.size=16M,zone.capacity=12M,zone.conventional_zones=2,zone.max_open_zones=4,zone.max_active_zones=6 disk.qcow2
zqublkd info disk.qcow2
add disk.qcow2
equal zoned "$(attr zoned)" host-managed
equal nr_zones "$(attr nr_zones)" 16
equal chunk_sectors "$(attr chunk_sectors)" 32768
equal max_open_zones "$(attr max_open_zones)" 4
equal max_active_zones "$(attr max_active_zones)" 6
equal scheduler "$(attr scheduler)" "$(attr scheduler | grep -F '[none]')"
pass "sysfs"

blkzone report "$dev" >before
cat before
dd if=/dev/urandom of=data bs=1M count=3 status=none
dd if=data of="$dev" bs=256k seek=$((32 * 4)) oflag=direct conv=notrunc status=none
dd if=data of="$dev" bs=64k oflag=direct conv=notrunc status=none
equal "zone 2 read back" "$(dd if="$dev" bs=1M skip=32 count=3 iflag=direct status=none | sum)" "$(sum data)"
equal "zone 0 read back" "$(dd if="$dev" bs=1M count=3 iflag=direct status=none | sum)" "$(sum data)"
pass "write and read"

blkzone report "$dev" >live
del
leftovers
zqublkd report disk.qcow2 >offline
sed -i 's/zcond: 2(oi)/zcond: 4(cl)/; s/zcond: 3(oe)/zcond: 4(cl)/' live
diff live offline
pass "report of the image equals the device's"

add disk.qcow2
equal "zone 2 after add" "$(dd if="$dev" bs=1M skip=32 count=3 iflag=direct status=none | sum)" "$(sum data)"
blkzone reset -o 65536 -l 32768 "$dev"
equal "zone 2 after reset" "$(dd if="$dev" bs=1M skip=32 count=3 iflag=direct status=none | sum)" "$(head -c 3M /dev/zero | sum)"
del
verify_image disk.qcow2
leftovers
pass "done"
