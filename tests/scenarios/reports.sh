# SPDX-License-Identifier: Apache-2.0
# blkzone and zbd do to zones what they can, and agree with each other and with
# `zqublkd report` of the image afterwards, by when open zones are closed.
. "$(dirname "$0")/lib.sh"
load_driver

# manage TOOL VERB ZONE [COUNT]
manage() {
	case $1 in
	blkzone) blkzone "$2" -o $(($3 * zone_sectors)) -l $((${4-1} * zone_sectors)) "$dev" ;;
	zbd) zbd "$2" -ofst $(($3 * zone_sectors * 512)) -len $((${4-1} * zone_sectors * 512)) "$dev" >/dev/null ;;
	esac
}

# fill ZONE BYTES: writes from the start of the zone.
fill() {
	dd if=/dev/urandom of="$dev" bs="$2" count=1 seek=$(($1 * zone_sectors * 512)) oflag=direct,seek_bytes conv=notrunc status=none
}

# without_open: a report of blkzone as it will be when nothing is open.
without_open() {
	sed -E 's/(wptr 0x0+ .*zcond:) [23]\(o[ie]\)/\1 1(em)/; s/zcond: [23]\(o[ie]\)/zcond: 4(cl)/'
}

# From a report of zbd (bytes), one of `report --json` (bytes) and one of
# blkzone (sectors): type, start, length, capacity, write pointer and condition
# of each zone. Where there is no write pointer, none is compared; blkzone shows
# none of full zones.
of_zbd() { awk -F', *' 'NR > 1 { printf "%d %d %d %d %s %s\n", $2, $3, $4, $5, $2 == 1 ? "-" : $6 + 0, substr($7, 3) }'; }
of_json() {
	jq -r '{"not-write-pointer": 0, "empty": 1, "implicit-open": 2, "explicit-open": 3, "closed": 4, "full": "e"} as $code | .[] |
		[(if .conventional then 1 else 2 end), .start, .length, .capacity, (if .conventional then "-" else .write_pointer end), $code[.condition]] | join(" ")'
}
closed_zbd() { awk '$6 == 2 || $6 == 3 { $6 = $5 == $2 ? 1 : 4 } { print }'; }
capacity_of() { awk '{ sub(",", "", $6); n += strtonum($6) } END { printf "0x%09x\n", n }' "$1"; }

# exercise TOOL FIRST BLOCK: brings zones from FIRST on into every condition
# there is, in every way there is; at most 3 of them are open and 5 active.
exercise() {
	local tool=$1 z=$2 block=$3
	fill $z "$block"                # implicitly open
	manage "$tool" open $((z + 1))  # open without data
	fill $((z + 2)) 8K
	manage "$tool" close $((z + 2)) # closed
	manage "$tool" finish $((z + 3)) # full, from empty
	fill $((z + 4)) "$block"
	manage "$tool" finish $((z + 4)) # full, from open
	fill $((z + 5)) "$capacity"     # full of data
	fill $((z + 6)) 8K
	manage "$tool" reset $((z + 6)) # empty again
	manage "$tool" open $((z + 7))
	manage "$tool" close $((z + 7)) # empty, was open
	manage "$tool" finish $((z + 8)) 2
	manage "$tool" reset $((z + 8)) 2
	fill $((z + 9)) "$block"
	manage "$tool" open $((z + 9))  # explicitly open, with data
}

# agree: the reports of the device and, afterwards, of its image.
agree() {
	blkzone report "$dev" >live
	zbd report -csv "$dev" | of_zbd >live.zbd
	blkzone capacity "$dev" >capacity
	equal "capacity by zbd" "$(zbd report -c "$dev" | grep -Eo '[0-9]+' | tail -1)" $((512 * $(<capacity)))
	del
	zqublkd report disk.qcow2 >image
	zqublkd report --json disk.qcow2 | of_json >image.json
	without_open <live | diff - image || die "blkzone and the image differ"
	closed_zbd <live.zbd | diff - image.json || die "zbd and the image differ"
	equal "capacity" "$(<capacity)" "$(capacity_of image)"
	add disk.qcow2
	blkzone report "$dev" | diff - image || die "the device made again and the image differ"
}

# image NAME TOOL FIRST OPTIONS: FIRST is the zone to begin with.
image() {
	local name=$1 tool=$2 first=$3 options=$4 block
	zqublkd create --force -o "zone.mode=host-managed,$options" disk.qcow2 >/dev/null
	add disk.qcow2
	zone_sectors=$(attr chunk_sectors)
	block=$(attr logical_block_size)
	capacity=$(zqublkd info --json -U disk.qcow2 | jq .zoned.zone_capacity)
	blkzone report "$dev" >new
	equal "conditions of a new image" "$(grep -Evc 'zcond: ?(0\(nw|1\(em)' new || true)" 0
	exercise "$tool" "$first" "$block"
	equal "conditions" "$(blkzone report -o $((first * zone_sectors)) -c 10 "$dev" | grep -Eo '\((em|oi|oe|cl|fu)\)' | tr -d '()\n')" oioeclfufufuemememoe
	agree
	blkzone reset "$dev"
	zbd report -csv "$dev" >after
	equal "conditions after a reset of all" "$(awk -F', *' 'NR > 1 && $7 != "0x0" && $7 != "0x1"' after)" ""
	blkzone report "$dev" | diff - new
	del
	zqublkd report disk.qcow2 | diff - new
	pass "$name"
}

# quickly TURNS: all that add and the daemon have used of the processors when the
# device of disk.qcow2 is up. Whatever else the machine does only adds to that,
# so the best turn counts.
quickly() {
	local best=0 used TIMEFORMAT='%3U %3S'
	for ((i = 0; i < $1; i++)); do
		{ time add disk.qcow2; } 2>add.time
		used=$({ tail -1 add.time | awk '{ print ($1 + $2) * 1000 }'; cpu_ms "$(daemon_of "$id")"; } | awk '{ n += $1 } END { printf "%d", n }')
		((best > 0 && best < used)) || best=$used
		del
	done
	((best < 1000)) || die "$best ms of CPU until the device is up"
	pass "16384 zones: up after $best ms of CPU, best of $1"
}

# cpu_ms PID: of a process and of those that it has waited for. The kernel counts
# in hundredths of a second there (USER_HZ).
cpu_ms() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print ($12 + $13 + $14 + $15) * 10 }'; }

image "no conventional zones, 4096-byte blocks" blkzone 0 size=192M,zone.size=16M
verify_image disk.qcow2
image "conventional zones, capacity, limits, 512-byte blocks" zbd 3 \
	size=256M,zone.size=16M,zone.capacity=9M,zone.conventional_zones=3,zone.max_open_zones=3,zone.max_active_zones=5,logical_block_size=512
verify_image disk.qcow2
image "16384 zones of 64K" zbd 16374 size=1G,zone.size=64K,cluster_size=4K
verify_image disk.qcow2
if [ "$SIZE" = full ]; then
	image "16384 zones of 1M" blkzone 16374 size=16G,zone.size=1M,zone.conventional_zones=16
	quickly 10
fi
leftovers
pass "done"
