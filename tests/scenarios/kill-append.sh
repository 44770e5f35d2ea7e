# SPDX-License-Identifier: Apache-2.0
# SIGKILL of the daemon under NVMe zone appends: each append that was
# acknowledged is, whole, where its address says, and none is where another is.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
. "$(dirname "$0")/nvmet.sh"
load_driver
kills=3 appends=24
[ "$SIZE" = full ] && kills=60
block=4096 zone=$(((16 << 20) / 4096))

# load: appends to seven zones at once. What was sent twice, because its address
# may have been heard by somebody, leaves gaps.
load() {
	blkzone reset "$nvme"
	python3 "$here/appends.py" $generic 1 $block $appends $((0 * zone)) $((2 * zone)) $((3 * zone)) $((5 * zone)) \
		$((6 * zone)) $((7 * zone)) $((9 * zone)) >lines || return 1
	equal "acknowledged appends" "$(wc -l <lines)" $((64 * appends))
	python3 "$here/landed.py" $nvme $block gaps <lines >ends
	say "$(awk -v n="$(awk '{ n += $3 } END { print n }' lines)" '{ have += $2 - $1 } END { print have - n }' ends) blocks in gaps"
}

here=$(dirname "$0")
zqublkd create -o zone.mode=host-managed,size=256M,zone.size=16M,zone.capacity=12M,zone.max_open_zones=8,zone.max_active_zones=10 disk.qcow2 >/dev/null
add disk.qcow2 --recovery=reissue --recovery-limit=0
target
deaths_under $kills load
untarget
del
add disk.qcow2
python3 "$here/landed.py" "$dev" $block gaps <lines | cmp - ends
del
verify_image disk.qcow2
leftovers
pass "$deaths deaths under zone appends: each is where its address says"
