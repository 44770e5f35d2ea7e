# SPDX-License-Identifier: Apache-2.0
# The recipe for CI (docs/ci.md): three zoned disks from a golden image to a verdict, and
# nothing left behind: after a test that passes, fails, hangs, leaves mounts and processes,
# after daemons and the script itself have died.
. "$(dirname "$0")/lib.sh"
load_driver
modprobe btrfs
here=$(dirname "$0")/..
export ZQUBLKD_BIN=${here%/scenarios/..}
zoned_run() { bash "$here/zoned-run" --native "$@"; }
clean() {
	leftovers
	equal "run directories and overlays" "$({ ls -d /run/zqublkd-ci.* /var/tmp/zqublkd-ci.* 2>/dev/null || true; } | wc -l)" 0
	equal "mounts" "$(grep -c ublkb /proc/mounts || true)" 0
}

options=(--golden "$work/golden.qcow2" --create size=512M,zone.mode=host-managed,zone.size=16M --prepare "$here/example")
zoned_run "${options[@]}" bash "$here/example" >out 2>&1 || die "$(<out)"
grep -q '^disk 3, /dev/ublkb' out && grep -q 'passed$' out || die "$(<out)"
clean
before=$(sum golden.qcow2)
pass "from golden image to verdict"

code=0
zoned_run "${options[@]}" sh -c 'mkdir -p /tmp/m && mount -t btrfs $ZONED_DISK_1 /tmp/m && echo x >/tmp/m/x && (cd /tmp/m && sleep 1000) & sleep 2; exit 7' >out 2>&1 || code=$?
equal "verdict of a test that fails" "$code" 7
clean
pass "a test that fails, with a mount and a process that it leaves"

code=0
zoned_run "${options[@]}" --limit 3 sleep 1000 >out 2>&1 || code=$?
equal "verdict of a test that hangs" "$code" 124
clean
code=0
zoned_run "${options[@]}" sh -c 'zqublkd list --json --run-dir $ZONED_RUN_DIR | jq ".[].pid" | xargs kill -9; sleep 1; dd if=$ZONED_DISK_2 of=/dev/null bs=1M count=1 status=none' >out 2>&1 || die "$(<out)"
clean
pass "a test that hangs, and daemons that die"

bash "$here/zoned-run" --native "${options[@]}" sleep 1000 >out 2>&1 &
script=$!
until_ok test -b /dev/ublkb2
kill -9 $script
wait $script || true
zoned_run "${options[@]}" --disks 2 true >out 2>&1 || die "$(<out)"
pkill -9 -x sleep || true # the orphan of the script that was killed
clean
equal "sha256 of the golden image" "$(sum golden.qcow2)" "$before"
pass "a script that dies: the next one clears up"
