# SPDX-License-Identifier: Apache-2.0
# Images of every zone layout: made, served and written in it, converted in
# place from each to the next, and made of a dump by zbd(8).
. "$(dirname "$0")/lib.sh"
load_driver

zones=zone.mode=host-managed,zone.size=2M,zone.capacity=1536K,zone.conventional_zones=1,zone.max_open_zones=4,zone.max_active_zones=6
[ "$SIZE" = full ] && total=1G || total=32M

# rest PRINTS-REPORT...: the report without what a stop changes: open is closed.
rest() { "$@" | sed -E 's/(wptr )0x[0-9a-f]+( reset:0 non-seq:0, zcond: *(0\(nw|14\(fu))/\1N\/A\2/; s/zcond: *[23]\(o[ie]\)/zcond: 4(cl)/; s/, non-seq:/ non-seq:/'; }

# write_some ZONE: data into four zones from ZONE on: in part, to the end, in part
# and finished, to be reset; and into the conventional one.
write_some() {
	put() { # ZONE FROM COUNT, in blocks of 64K
		head -c "$(($3 << 16))" /dev/urandom | dd of="$dev" bs=64K seek="$(($1 * 32 + $2))" oflag=direct iflag=fullblock conv=notrunc status=none
	}
	put 0 "$1" 3
	put "$1" 0 20
	put $(($1 + 1)) 0 24
	put $(($1 + 2)) 0 7
	blkzone finish -o $((($1 + 2) * 4096)) -c 1 "$dev"
	put $(($1 + 3)) 0 1
	blkzone reset -o $((($1 + 3) * 4096)) -c 1 "$dev"
}

# served IMAGE: what the device shows is noted, and still so after del and add.
served() {
	sync "$dev"
	local shown data
	shown=$(rest blkzone report "$dev") data=$(sum "$dev")
	del
	equal "zones of $1, not served" "$(rest zqublkd report "$1")" "$shown"
	add "$1"
	equal "zones of $1, served again" "$(rest blkzone report "$dev")" "$shown"
	equal "data of $1, served again" "$(sum "$dev")" "$data"
}

for layout in v6 v8 v11 v14; do
	out=$(zqublkd create -o "size=$total,$zones,zone.revision=$layout" "$layout.qcow2")
	grep -q "zones of .*layout $layout)" <<<"$out" || die "create said: $out"
	add "$layout.qcow2"
	write_some 1
	fio --name=x --filename="$dev" --zonemode=zbd --rw=randwrite --bs=64k --direct=1 --ioengine=psync --size=4M \
		--offset=16M --max_open_zones=2 --verify=crc32c --do_verify=1 --verify_fatal=1 >fio.log || die "fio: $(tail -5 fio.log)"
	served "$layout.qcow2"
	del
	verify_image "$layout.qcow2"
	equal "layout" "$(zqublkd info --json "$layout.qcow2" | jq -r .zoned.revision)" "$layout"
	pass "$layout: created, written, served again"
done

# An image that goes through all of them, written in each.
cp --sparse=always v6.qcow2 disk.qcow2
refused 2 "must be one of v6, v8, v11, v14" zqublkd amend -o zone.revision=v7 disk.qcow2
zone=5
for layout in v8 v11 v14 v6; do
	report=$(zqublkd report disk.qcow2)
	zqublkd export disk.qcow2 before.qcow2
	zqublkd amend -o "zone.revision=$layout" disk.qcow2 >said
	grep -q "became $layout" said || die "amend to $layout said: $(<said)"
	equal "zones in $layout" "$(zqublkd report disk.qcow2)" "$report"
	zqublkd export disk.qcow2 after.qcow2
	qemu-img compare -q before.qcow2 after.qcow2 || die "the disk changed on the way to $layout"
	rm before.qcow2 after.qcow2
	add disk.qcow2
	refused 6 "in use" zqublkd amend -o zone.revision=v6 disk.qcow2
	blkzone reset -o $((zone * 4096)) -c 4 "$dev"
	write_some $zone
	served disk.qcow2
	del
	zqublkd check disk.qcow2 >/dev/null || die "check: $(zqublkd check disk.qcow2)"
	zone=$((zone + 1))
	pass "converted to $layout, served, written"
done
verify_image disk.qcow2

# A dump becomes an image again; so does a plain disk, as far as its data goes.
add v11.qcow2
shown=$(rest blkzone report "$dev") data=$(sum "$dev")
zbd dump -d . -f saved "$dev" >zbd.log || die "zbd dump: $(<zbd.log)"
del
zqublkd import -o zone.revision=v14 saved_zone_info.dump saved.qcow2
add saved.qcow2
equal "zones of the dump" "$(rest blkzone report "$dev")" "$shown"
equal "data of the dump" "$(sum "$dev")" "$data"
equal "limit of active zones" "$(attr max_active_zones)" 6
del
verify_image saved.qcow2
pass "imported what zbd dumped"

truncate -s 28M plain.raw
head -c 1M /dev/urandom | dd of=plain.raw bs=1M seek=16 conv=notrunc status=none
qemu-img convert -f raw -O qcow2 plain.raw plain.qcow2
for source in plain.raw plain.qcow2; do
	zqublkd import --force -o "$zones" "$source" plain-zoned.qcow2
	equal "zones with data" "$(zqublkd report --json plain-zoned.qcow2 | jq -c '[.[] | select(.write_pointer > .start) | [.start, .write_pointer]]')" "[[16777216,17825792]]"
	add plain-zoned.qcow2
	cmp -n 28M "$dev" plain.raw || die "$source: other data"
	del
	verify_image plain-zoned.qcow2
done
printf x | dd of=plain.raw bs=256K seek=15 conv=notrunc status=none
refused 3 "zone 1: data at byte 3932160" zqublkd import -o "$zones" plain.raw no.qcow2
[ ! -e no.qcow2 ] || die "a refused import left a file"
pass "imported plain disks"

# What the kernel can't take is refused with the reason, and can be looked at.
zqublkd create --force -o size=1088M,zone.mode=host-managed,zone.size=64K many.qcow2 2>/dev/null
refused 3 "17408 zones are more than the 16384" zqublkd add many.qcow2
equal "zones reported" "$(zqublkd report many.qcow2 | wc -l)" 17408
zqublkd check many.qcow2 >/dev/null
pass "readable is more than servable"

leftovers
