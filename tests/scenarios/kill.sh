# SPDX-License-Identifier: Apache-2.0
# SIGKILL of the daemon under fio: the same device goes on, without an I/O error
# and without a lost write; three deaths in a minute stop one that nobody uses.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
load_driver
kills=3
[ "$SIZE" = full ] && kills=80

zbd() {
	fio --filename="$dev" --zonemode=zbd --direct=1 --ioengine=io_uring --bs=16k --verify=crc32c --verify_fatal=1 \
		--max_open_zones=4 --group_reporting "$@" >fio.log 2>&1 || { cat fio.log; return 1; }
}

# load: zones are written and verified, while others are read.
load() {
	blkzone reset -o 65536 -l 262144 "$dev"
	zbd --name=writes --rw=write --offset=32M --size=64M --iodepth=4 \
		--name=reads --rw=randread --offset=256M --size=16M --iodepth=2 --io_size=32M
}

zqublkd create -o size=512M,zone.mode=host-managed,zone.size=16M,zone.conventional_zones=2,zone.max_open_zones=8,zone.max_active_zones=10 disk.qcow2 >/dev/null
add disk.qcow2 --recovery=reissue --recovery-limit=0
zbd --name=prepare --rw=write --offset=256M --size=16M --do_verify=0
deaths_under $kills load
pass "$deaths deaths under fio: no error, every block verified"

blkzone open -o 983040 "$dev"
blkzone report "$dev" >before
death
blkzone report "$dev" >after
diff before after
pass "an explicitly open zone is still open after the daemon's death"
del
verify_image disk.qcow2

add disk.qcow2 --recovery=reissue
death # two in a minute are forgiven
death
kill -9 "$(daemon)"
until_ok test ! -b "$dev"
until_ok no_daemons
until_ok no_devices
zqublkd list | grep -q "given-up (its daemon died 3 times" || die "list: $(zqublkd list)"
add disk.qcow2 # what was acknowledged waits for the next daemon
del
leftovers
pass "three deaths in a minute: the device is stopped"
verify_image disk.qcow2
