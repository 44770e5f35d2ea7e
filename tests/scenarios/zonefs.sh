# SPDX-License-Identifier: Apache-2.0
# zonefs: each zone is a file that is written at its end and truncated to nothing
# (reset) or to its full size (finish). A folder of plain files is the model.
. "$(dirname "$0")/lib.sh"
load_driver

capacity=$((1536 << 10)) zones=32 conventional=3
[ "${SIZE:-small}" = small ] || zones=256
sequential=$((zones - conventional))
mnt=$work/mnt copy=$work/copy image=$work/disk.qcow2
mkdir "$mnt"

mounted() { mount -t zonefs -o "$options" "$dev" "$mnt"; }

# grow SEED NAME:BYTES...: writes at the ends of the files.
grow() {
	local seed=$1
	shift
	python3 "$(dirname "$0")/zonefs.py" "$seed" "$copy" "$mnt" "$@"
}

# cut SIZE NAME...: truncates the files.
cut() {
	local size=$1
	shift
	(cd "$copy" && truncate -s "$size" "$@")
	(cd "$mnt" && truncate -s "$size" "$@")
}

# every FIRST STEP [SUFFIX]: each STEPth file.
every() { seq -f "seq/%g${3:-}" "$1" "$2" $((sequential - 1)); }

# again: the device goes and comes back, and the files are as they were.
again() {
	umount "$mnt"
	del
	add "$image"
	mounted
	diff -r "$copy" "$mnt" || die "the files differ"
}

# while_open COMMAND: runs it while max_open of the files that are not full are
# open for writing.
while_open() {
	local fds=() name fd
	for name in $(comm -23 <(every 0 1 | sort) <(every 1 6 | sort) | sort -V | head -n "$max_open"); do
		exec {fd}<>"$mnt/$name"
		fds+=("$fd")
	done
	"$@"
	for fd in "${fds[@]}"; do exec {fd}>&-; done
}

conditions() { blkzone report "$dev" | grep -c "zcond:$1" || true; }

# explicit: as many files may be open as zones, and each is an explicitly open zone.
explicit() {
	equal "zones open explicitly" "$(conditions ' 3(oe)')" "$max_open"
	fails "Device or resource busy" dd if=/dev/zero of="$mnt/seq/15" bs=4k count=1 oflag=direct conv=notrunc status=none
}

# fill PARTIAL: files with something in them, but for PARTIAL of them full.
fill() {
	local i files=()
	for ((i = 0; i < sequential; i++)); do
		files+=("seq/$i:$((i < $1 ? (i + 1) * 16384 : capacity))")
	done
	grow 1 "${files[@]}"
	dd if=/dev/urandom of="$copy/cnv/0" bs=64k count=3 seek=5 conv=notrunc status=none
	dd if="$copy/cnv/0" of="$mnt/cnv/0" bs=64k oflag=direct conv=notrunc status=none
}

# life NAME PARTIAL CREATE-OPTION...: of a zonefs; at most PARTIAL of its files
# are neither empty nor full.
life() {
	local name=$1 partial=$2
	shift 2
	zqublkd create -o zone.mode=host-managed,size=$((zones * 2))M,zone.size=2M,zone.capacity=$capacity,zone.conventional_zones=$conventional "$@" "$image" >/dev/null
	add "$image"
	mkzonefs -f "$dev" >/dev/null
	mounted
	equal "files of sequential zones" "$(ls "$mnt/seq" | wc -l)" $sequential
	equal "files of conventional zones" "$(ls "$mnt/cnv" | wc -l)" $((conventional - 1))
	rm -rf "$copy"
	cp -r "$mnt" "$copy"

	fill "$partial"
	again
	cut 0 $(every 0 3)
	cut $capacity $(every 1 6)
	equal "empty zones" "$(conditions ' 1(em)')" "$(every 0 3 | wc -l)"
	again
	grow 2 $(every 0 6 :$((300 << 10)))
	case $options in explicit-open) while_open explicit ;; esac
	equal "zones open explicitly" "$(conditions ' 3(oe)')" 0
	again
	umount "$mnt"
	del
	verify_image "$image"
	rm "$image"
	pass "$name"
}

options=errors=remount-ro
life unlimited $sequential
options=explicit-open max_open=8
life limited 13 -o zone.max_open_zones=$max_open,zone.max_active_zones=14
options=explicit-open max_open=11
life "blocks of 512" 13 -o zone.max_open_zones=$max_open,zone.max_active_zones=14 --logical-block-size 512
leftovers
