# SPDX-License-Identifier: Apache-2.0
# Common to the scenarios, which run as root inside a test VM. Source it first.
set -Eeuo pipefail
trap 'echo "FAILED at ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND" >&2' ERR

scenario=$(basename "$0" .sh)
kernel=$(uname -r)
started=$EPOCHSECONDS
work=$(mktemp -d "/tmp/$scenario.XXXX")
cd "$work"
ulimit -c 0
: "${SIZE:=small}" # or full

say() { echo "   $*"; }
pass() { echo "ok $* (at $((EPOCHSECONDS - started)) s)"; }
die() { echo "FAILED: $*" >&2; exit 1; }

# sum FILE...: one digest of the contents.
sum() { cat "$@" | sha256sum | cut -d' ' -f1; }

# equal WHAT GOT WANT
equal() { [ "$2" = "$3" ] || die "$1: got '$2', want '$3'"; }

# refused CODE REGEXP COMMAND...: the command must fail with that exit code and
# one line on stderr that matches.
refused() {
	local want=$1 pattern=$2 code=0 out
	shift 2
	out=$("$@" 2>&1 >/dev/null) || code=$?
	[ "$code" = "$want" ] || die "$*: exit code $code, want $want: $out"
	[ "$(wc -l <<<"$out")" = 1 ] || die "$*: not one line: $out"
	grep -Eq -- "$pattern" <<<"$out" || die "$*: '$out' does not match '$pattern'"
	say "refused ($code): $out"
}

# fails ERRNO-NAME COMMAND...: the command must fail with that error text.
fails() {
	local want=$1 out
	shift
	if out=$("$@" 2>&1); then die "$*: succeeded, want $want"; fi
	grep -q -- "$want" <<<"$out" || die "$*: '$out', want $want"
}

# eventually SECONDS COMMAND...: it must succeed within that time.
eventually() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || die "$*: still not so"
		sleep 0.1
	done
}

# until_ok COMMAND...: waits until it succeeds, at most 30 s.
until_ok() {
	local end=$((EPOCHSECONDS + 30))
	until "$@" >/dev/null 2>&1; do
		((EPOCHSECONDS < end)) || die "$*: not within 30 s"
		sleep 0.05
	done
}

# install_units: what `make install` does, from the folder systemd.
install_units() { . "$(dirname "$0")/install.sh"; }

load_driver() { modprobe ublk_drv; }

# add IMAGE [OPTIONS]: sets dev and id.
add() {
	dev=$(zqublkd add "$@")
	id=${dev#/dev/ublkb}
	[ -b "$dev" ] || die "add printed '$dev', no block device"
}

del() { zqublkd del "$id"; }

# daemon_of ID: the process that serves the device.
daemon_of() { zqublkd list --json | jq ".[] | select(.id == $1) | .pid"; }

# gone PID
gone() { ! kill -0 "$1" 2>/dev/null; }

# no_devices: the driver has none, with or without a disk.
no_devices() { [ -z "$(ls /sys/class/ublk-char 2>/dev/null)" ]; }

no_daemons() { ! pgrep zqublkd >/dev/null; }

attr() { echo "$(<"/sys/block/${dev#/dev/}/queue/$1")"; }

# verify_image IMAGE: of an image that nobody serves: our check is clean; stock
# qemu-img finds nothing but the clusters of the zone table leaked; the
# exported disk checks clean and equals what the device shows.
verify_image() {
	local image=$1 copy=$work/verify-copy.qcow2 out=$work/verify-export.qcow2
	zqublkd check "$image" >/dev/null || die "zqublkd check $image: $(zqublkd check "$image" 2>&1)"
	cp --sparse=always "$image" "$copy"
	hide_zones "$copy"
	check_leaks "$copy" "$(table_clusters "$image")"
	rm -f "$copy" "$out"
	zqublkd export "$image" "$out"
	qemu-img check -q "$out" >/dev/null || die "qemu-img check of the export failed: $(qemu-img check "$out" 2>&1)"
	add "$image" --read-only
	if zqublkd report "$image" -U | grep '(of)' >/dev/null; then
		say "the export and $dev are not compared: nobody can read offline zones"
	else
		qemu-img compare -q -T none -f qcow2 -F raw "$out" "$dev" || die "the export and $dev differ"
	fi
	del
	rm -f "$out"
	say "image verified: $(basename "$image")"
}

# hide_zones IMAGE: clears incompatible bit 5, and no other, for programs that
# don't know zones.
hide_zones() {
	local byte
	byte=$(od -An -tu1 -j79 -N1 "$1")
	printf "\\x$(printf %02x $((byte & ~0x20)))" | dd of="$1" bs=1 seek=79 conv=notrunc status=none
}

# verify_plain IMAGE: the same of an image without zones, which stock tools read.
verify_plain() {
	zqublkd check "$1" >/dev/null || die "zqublkd check $1: $(zqublkd check "$1" 2>&1)"
	qemu-img check -q "$1" || die "qemu-img check $1: $(qemu-img check "$1" 2>&1)"
	add "$1" --read-only
	qemu-img compare -q -U -T none -f qcow2 -F raw "$1" "$dev" || die "$1 and $dev differ"
	del
	say "image verified: $(basename "$1")"
}

# table_clusters IMAGE: those of the zone table and of the counters are leaks to stock programs.
table_clusters() {
	zqublkd info --json "$1" |
		jq '[8, if .zoned.counters then 64 else 0 end] as $each | [$each[] * .zoned.zones / ."cluster-size" | ceil] | add'
}

# check_leaks IMAGE N: qemu-img check reports N leaked clusters and no error.
check_leaks() {
	local json
	json=$(qemu-img check --output=json "$1" 2>/dev/null) || true
	equal "corruptions (stock qemu-img check)" "$(jq '.corruptions // 0' <<<"$json")" 0
	equal "check errors (stock qemu-img check)" "$(jq '."check-errors"' <<<"$json")" 0
	equal "leaked clusters (stock qemu-img check)" "$(jq '.leaks // 0' <<<"$json")" "$2"
}

# leftovers: nothing of ours is there any more.
leftovers() {
	equal "block nodes" "$(ls /dev | grep -c '^ublk[bc]' || true)" 0
	equal "daemons" "$(pgrep -c zqublkd || true)" 0
	equal "run directory" "$({ ls /run/zqublkd 2>/dev/null || true; } | wc -l)" 0
}
