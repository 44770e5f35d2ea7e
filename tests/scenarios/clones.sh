# SPDX-License-Identifier: Apache-2.0
# Many clones of a golden image: throw-away devices of a btrfs, an f2fs and, where the
# kernel has it zoned, an XFS, one after another and eight at once, each mounted, changed,
# checked and dropped; what adding one costs beside a plain add; and devices that are made
# clean again while others go on.
. "$(dirname "$0")/lib.sh"
load_driver

rounds=2 together=2
[ "$SIZE" = small ] || { rounds=50 together=8; }
mkdir golden over dirs

make_btrfs() { mkfs.btrfs -q -f -O zoned "$1"; }
check_btrfs() { btrfs check "$1" >"$2" 2>&1 || die "btrfs check: $(cat "$2")"; }
make_f2fs() { mkfs.f2fs -q -f -m "$1"; }
check_f2fs() { fsck.f2fs -f --dry-run "$1" >"$2" 2>&1 && ! grep -qF '[Fail]' "$2" || die "fsck.f2fs: $(cat "$2")"; }
make_xfs() { mkfs.xfs -q -f -r zoned=1 "$1"; }
check_xfs() { xfs_repair -n "$1" >"$2" 2>&1 || die "xfs_repair -n: $(cat "$2")"; }

# mount_on DEVICE DIR: all clones have the UUID of their original.
mount_on() {
	case $fs in
	xfs) mount -t xfs -o nouuid "$1" "$2" ;;
	*) mount -t "$fs" "$1" "$2" ;;
	esac
}

# files DIR NAME N: N files with contents of their own, and what they must read as.
files() {
	local k
	for ((k = 0; k < $3; k++)); do
		head -c $((1000 + k * 37000)) /dev/urandom >"$1/$2.$k"
	done
	(cd "$1" && md5sum "$2".*) >"$work/$2.sums"
}
has() { (cd "$1" && md5sum --quiet -c "$work/$2.sums") || die "$1: checksums of $2 differ"; }

# change DEVICE DIR NAME: what was there is there; half of it goes, more comes.
change() {
	mount_on "$1" "$2"
	has "$2" base
	rm "$2"/base.[02468]
	files "$2" "$3" 6
	sync -f "$2"
	umount "$2"
	"check_$fs" "$1" "check-$3"
	mount_on "$1" "$2"
	has "$2" "$3"
	[ ! -e "$2/base.0" ] || die "$1: a file that was removed is there"
	umount "$2"
}

# timed FILE COMMAND...: milliseconds that it took, added to the file.
timed() {
	local began=${EPOCHREALTIME/./}
	"${@:2}"
	awk -v us=$((${EPOCHREALTIME/./} - began)) 'BEGIN { printf "%.1f\n", us / 1000 }' >>"$1"
}
times() { sort -n "$1" | awk '{ v[NR] = $1 } END { i = int(NR * 0.99); if (i < NR * 0.99) i++; printf "median %s ms, p99 %s ms", v[int((NR + 1) / 2)], v[i] }'; }
snapshot() { add --snapshot --snapshot-dir "$work/dirs" "$image"; }
reset_to_base() { equal "node of reset-to-base" "$(zqublkd reset-to-base "$id")" "$dev"; }

kinds="btrfs f2fs"
case $kernel in 6.*) ;; *) kinds+=" xfs" ;; esac
for fs in $kinds; do
	modprobe "$fs"
	image=$work/golden/$fs.qcow2
	zqublkd create -q -o size=640M,zone.mode=host-managed,zone.size=16M,zone.conventional_zones=20 "$image"
	add "$image"
	"make_$fs" "$dev"
	mount_on "$dev" over
	files over base 10
	umount over
	del
	before=$(sum "$image")
	for ((k = 0; k < rounds; k++)); do
		timed plain.$fs add "$image"
		del
	done
	equal "sha256 of $image" "$(sum "$image")" "$before" # nothing was written
	for ((k = 0; k < rounds; k++)); do
		timed snapshot.$fs snapshot
		change "$dev" over "$fs$k"
		del
	done
	equal "sha256 of $image" "$(sum "$image")" "$before"
	say "$fs: from add to usable: plain $(times plain.$fs); --snapshot $(times snapshot.$fs)"
	pass "$rounds snapshots of a golden $fs image one after another"

	snapshot
	for ((k = 0; k < rounds; k++)); do
		change "$dev" over "$fs-again$k"
		timed again.$fs reset_to_base
	done
	change "$dev" over "$fs-last"
	mount_on "$dev" over
	refused 6 'in use: mounted at' zqublkd reset-to-base "$dev"
	has over "$fs-last"
	umount over
	del
	equal "sha256 of $image" "$(sum "$image")" "$before"
	equal "overlays" "$(ls dirs | wc -l)" 0
	say "$fs: reset-to-base $(times again.$fs)"
	pass "$rounds times a clean $fs again"

	devices=()
	for ((k = 0; k < together; k++)); do
		snapshot
		devices+=("$dev")
		mkdir -p "dirs-$fs-$k"
	done
	refused 6 'in use' zqublkd add "$image"
	for ((k = 0; k < together; k++)); do change "${devices[k]}" "dirs-$fs-$k" "many$k" & done
	for job in $(jobs -p); do wait "$job" || die "a snapshot of several failed"; done
	zqublkd reset-to-base "${devices[@]}" >nodes
	equal "nodes" "$(sort <nodes)" "$(printf '%s\n' "${devices[@]}" | sort)"
	for ((k = 0; k < together; k++)); do change "${devices[k]}" "dirs-$fs-$k" "more$k" & done
	for job in $(jobs -p); do wait "$job" || die "a snapshot of several failed"; done
	for dev in "${devices[@]}"; do zqublkd del "$dev"; done
	equal "sha256 of $image" "$(sum "$image")" "$before"
	equal "overlays" "$(ls dirs | wc -l)" 0
	pass "$together snapshots of it at once"

	# An overlay that stays is made clean, too; recovery and name are what they were.
	zqublkd create -q -o cluster_size=16k -b "$image" -F qcow2 "kept-$fs.qcow2"
	add "kept-$fs.qcow2" --allow-backing --name "kept-$fs" --recovery off
	change "$dev" over kept
	reset_to_base
	equal "name" "$(zqublkd list -n -o name)" "kept-$fs"
	change "$dev" over kept
	del
	equal "cluster size" "$(zqublkd info --json "kept-$fs.qcow2" | jq '."cluster-size"')" 16384
	zqublkd check "kept-$fs.qcow2" >log || die "$(<log)"
	equal "sha256 of $image" "$(sum "$image")" "$before"
	pass "an overlay of it made clean"
done

# A dead daemon is no obstacle; what is no overlay is.
image=$work/golden/f2fs.qcow2
snapshot
kill -9 "$(daemon_of "$id")"
reset_to_base
del
add "$image"
refused 1 'nothing to go back to' zqublkd reset-to-base "$dev"
del
equal "overlays" "$(ls dirs | wc -l)" 0
leftovers
