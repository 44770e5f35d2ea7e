# SPDX-License-Identifier: Apache-2.0
# Snapshots of golden images: devices whose overlay is thrown away, one after another
# and several at once, each mounted, changed, checked and dropped; the golden image
# stays what it was. And an overlay that is kept, and a daemon that dies over one.
. "$(dirname "$0")/lib.sh"
load_driver
modprobe btrfs

rounds=4 together=4 scale=1 # many: scenario clones
mkdir golden over dirs

make_btrfs() { mkfs.btrfs -q -f -O zoned "$1"; }
check_btrfs() { btrfs check "$1" >check 2>&1 || die "btrfs check: $(cat check)"; }
make_f2fs() { mkfs.f2fs -q -f -m "$1"; }
check_f2fs() { fsck.f2fs -f --dry-run "$1" >check 2>&1 && ! grep -qF '[Fail]' check || die "fsck.f2fs: $(cat check)"; }

# files DIR SEED N: N files with contents of their own, and what they must read as.
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
	mount -t "$fs" "$1" "$2"
	has "$2" base
	rm "$2"/base.[02468]
	files "$2" "$3" 6
	sync -f "$2"
	umount "$2"
	"check_$fs" "$1"
	mount -t "$fs" "$1" "$2"
	has "$2" "$3"
	umount "$2"
}

# timed FILE COMMAND...: milliseconds that it took, added to the file.
timed() {
	local began=${EPOCHREALTIME/./}
	"${@:2}"
	echo $(((${EPOCHREALTIME/./} - began) / 1000)) >>"$1"
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] " ms (most " v[NR] ")" }'; }

for fs in btrfs f2fs; do
	image=$work/golden/$fs.qcow2
	zqublkd create -q -o size=$((512 * scale))M,zone.mode=host-managed,zone.size=8M,zone.conventional_zones=16 "$image"
	add "$image"
	"make_$fs" "$dev"
	mount -t "$fs" "$dev" over
	files over base 10
	umount over
	del
	before=$(sum "$image")
	for ((k = 0; k < rounds; k++)); do
		timed plain.$fs add "$image"
		del
		timed snapshot.$fs add --snapshot --snapshot-dir "$work/dirs" --recovery off "$image"
		equal "overlays with a name" "$(ls dirs | wc -l)" 0
		change "$dev" over "$fs$k"
		del
		equal "sha256 of $image" "$(sum "$image")" "$before"
	done
	say "$fs: from add to usable: plain $(median plain.$fs), --snapshot $(median snapshot.$fs)"
	pass "$rounds snapshots of a golden $fs image one after another"

	devices=()
	for ((k = 0; k < together; k++)); do
		add --snapshot --snapshot-dir "$work/dirs" "$image"
		devices+=("$dev")
		mkdir -p "dirs-$fs-$k"
	done
	[ "$(zqublkd list -n -o image | grep -c "$fs.qcow2 (snapshot)")" = "$together" ] || die "list: $(zqublkd list)"
	refused 6 'in use' zqublkd add "$image"
	if [ "$fs" = f2fs ]; then
		for ((k = 0; k < together; k++)); do change "${devices[k]}" "dirs-$fs-$k" "many$k" & done
		for job in $(jobs -p); do wait "$job" || die "a snapshot of several failed"; done
	else # all have one UUID, of which btrfs mounts one at a time
		for ((k = 0; k < together; k++)); do
			change "${devices[k]}" "dirs-$fs-$k" "many$k"
			btrfs device scan --forget "${devices[k]}"
		done
	fi
	for dev in "${devices[@]}"; do zqublkd del "$dev"; done
	equal "sha256 of $image" "$(sum "$image")" "$before"
	equal "overlays" "$(ls dirs | wc -l)" 0
	pass "$together snapshots of it at once"

	# An overlay that stays, over another one.
	(cd golden && zqublkd create -q -b $fs.qcow2 one-$fs.qcow2 && zqublkd create -q -b one-$fs.qcow2 -F qcow2 two-$fs.qcow2)
	add "golden/two-$fs.qcow2" --allow-backing
	change "$dev" over kept
	del
	zqublkd check "golden/two-$fs.qcow2" >log || die "$(<log)"
	add "golden/two-$fs.qcow2" --allow-backing
	mount -t "$fs" "$dev" over
	has over kept
	umount over
	del
	equal "sha256 of $image" "$(sum "$image")" "$before"
	pass "an overlay of an overlay keeps what was written"

	# What the upper one holds goes into the lower one, and neither needs the other then.
	zqublkd commit -q --allow-backing "golden/two-$fs.qcow2"
	for image2 in two one; do
		zqublkd check "golden/$image2-$fs.qcow2" >log || die "$image2: $(<log)"
		add "golden/$image2-$fs.qcow2" --allow-backing --read-only
		"check_$fs" "$dev"
		del
	done
	add "golden/two-$fs.qcow2" --allow-backing
	mount -t "$fs" "$dev" over
	has over kept
	files over kept2 6
	umount over
	del
	zqublkd rebase -q --allow-backing -b $fs.qcow2 "golden/two-$fs.qcow2"
	rm "golden/one-$fs.qcow2"
	add "golden/two-$fs.qcow2" --allow-backing
	mount -t "$fs" "$dev" over
	has over kept2
	umount over
	"check_$fs" "$dev"
	del
	zqublkd rebase -q --allow-backing -b '' "golden/two-$fs.qcow2"
	verify_image "golden/two-$fs.qcow2"
	equal "sha256 of $image" "$(sum "$image")" "$before"
	pass "commit and rebase under a file system"

	# The daemon of a snapshot dies while it is used.
	add --snapshot --snapshot-dir "$work/dirs" "$image"
	equal "overlays with a name" "$(ls dirs | wc -l)" 1
	mount -t "$fs" "$dev" over
	files over dying 4
	kill -9 "$(daemon_of "$id")"
	files over later 4
	sync -f over
	has over dying && has over later
	umount over
	"check_$fs" "$dev"
	del
	equal "overlays" "$(ls dirs | wc -l)" 0
	equal "sha256 of $image" "$(sum "$image")" "$before"
	pass "a snapshot outlives its daemon, and is gone with del"
done
leftovers
