# SPDX-License-Identifier: Apache-2.0
# `zqublkd zones`: the picture of a device agrees with blkzone, and --file marks the
# zones that hold a file's data, looked for on the device itself.
. "$(dirname "$0")/lib.sh"
load_driver

# letters DEVICE: the condition letters of the picture, in the order of the zones.
letters() { zqublkd zones --plain --ascii --width 80 "$1" | awk 'NR > 1 && NF == 0 { exit } NR > 1' | cut -c10- | sed 's/\(.\)./\1/g' | tr -d '\n'; }

# by_blkzone DEVICE: the same by blkzone.
by_blkzone() {
	blkzone report "$1" | sed -E 's/.*zcond: ?[0-9]+\((..)\).*/\1/' |
		sed 's/nw/c/; s/em/./; s/oi/o/; s/oe/O/; s/cl/-/; s/fu/F/; s/ro/r/; s/of/X/' | tr -d '\n'
}

# holders: the zones whose bytes on the device hold the pattern.
holders() {
	python3 - "$dev" "$pattern" <<-'END'
		import sys
		with open(sys.argv[1], "rb") as disk:
		    for zone in range(48):
		        if sys.argv[2].encode() in disk.read(16 << 20):
		            print(zone)
	END
}

pattern=$(head -c 48 /dev/urandom | base64 -w0)
for fs in btrfs f2fs; do
	zqublkd create -o size=768M,zone.mode=host-managed,zone.size=16M,zone.conventional_zones=8 $fs.qcow2 >/dev/null
	add $fs.qcow2
	case $fs in
	btrfs) mkfs.btrfs -q -f -O zoned -d single -m single "$dev" ;;
	f2fs) mkfs.f2fs -q -f -m "$dev" >/dev/null ;;
	esac
	mkdir -p mnt && mount -t $fs "$dev" mnt
	{ yes "$pattern" || true; } | head -c 20M >mnt/file
	sync
	equal "picture of $fs" "$(letters "$dev")" "$(by_blkzone "$dev")"
	marked=$(zqublkd zones --json --file mnt/file "$dev" | jq -r 'to_entries[] | select(.value.marked) | .key' | paste -sd ' ')
	found=$(holders | paste -sd ' ')
	equal "zones of the file on $fs" "$marked" "$found"
	[ -n "$found" ] || die "no zone holds the pattern"
	zqublkd zones --svg out.svg --file mnt/file "$dev"
	python3 -c 'import xml.dom.minidom, sys; xml.dom.minidom.parse(sys.argv[1])' out.svg
	zqublkd zones --plain --file mnt/file "$dev"
	umount mnt
	refused 3 'plain|not a qcow2' zqublkd zones /etc/passwd
	del
	verify_image $fs.qcow2
	pass "$fs"
done
leftovers
pass "done"
