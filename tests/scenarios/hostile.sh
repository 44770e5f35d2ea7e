# SPDX-License-Identifier: Apache-2.0
# Surroundings that are against the daemon: no memory, its own disk to be written
# back, few processors, a garbage collector that never rests.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
load_driver
mount --make-rshared / # as systemd has it

# What each thread and child of the daemon has, see prctl(2), PR_SET_IO_FLUSHER.
zqublkd create -o size=256M,zone.mode=host-managed,zone.size=8M,zone.conventional_zones=8 disk.qcow2 >/dev/null
add disk.qcow2 --recovery=reissue
dd if=/dev/zero of="$dev" bs=1M count=64 oflag=direct conv=notrunc status=none # all its threads have worked
for pid in $(pgrep zqublkd); do
	equal "oom_score_adj of $pid" "$(<"/proc/$pid/oom_score_adj")" -1000
	for task in /proc/"$pid"/task/*; do
		flags=$(sed 's/.*) //' "$task/stat" | cut -d' ' -f7)
		(((flags & 0x180000) == 0x180000)) || die "thread ${task##*/} of $pid: flags $(printf %x "$flags"), no I/O flusher"
	done
	[ "$(readlink "/proc/$pid/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ] || die "$pid shares our mounts"
	mkdir -p new
	mount -t tmpfs none new
	grep -q "$work/new" "/proc/$pid/mountinfo" || die "$pid does not see new mounts"
	umount new
	! grep -q "$work/new" "/proc/$pid/mountinfo" || die "$pid holds a mount that is gone"
	grep -v -e 'master:' -e 'propagate' "/proc/$pid/mountinfo" | grep 'shared:' && die "$pid gives its mounts away"
	say "$(ls "/proc/$pid/task" | wc -l) threads of $pid"
done
pass "every thread is an I/O flusher, no process is for the OOM killer, mounts come and don't go out"

# A file system on the device is written back while there is no memory: in a
# group that may have little, and in the whole machine.
mkfs.f2fs -q -f -m "$dev"
mkdir mnt
mount -t f2fs "$dev" mnt
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || true
mkdir /sys/fs/cgroup/small
echo "+memory" >/sys/fs/cgroup/cgroup.subtree_control
echo 24M >/sys/fs/cgroup/small/memory.high
echo 96M >/sys/fs/cgroup/small/memory.max
(
	echo $BASHPID >/sys/fs/cgroup/small/cgroup.procs
	for i in 1 2 3; do dd if=/dev/zero of=mnt/big bs=1M count=80 status=none; done
)
pass "written back from a group of 24 MiB"
python3 - <<-'PY' &
	import time
	free = [int(l.split()[1]) for l in open("/proc/meminfo") if l.startswith("MemAvailable")][0]
	hog = bytearray((free - 60 * 1024) * 1024)
	for i in range(0, len(hog), 4096):
	    hog[i] = 1
	open("hogging", "w").close()
	time.sleep(600)
PY
hog=$!
echo 500 >/proc/$hog/oom_score_adj
until [ -e hogging ] || gone $hog; do sleep 0.1; done
for i in 1 2 3; do
	dd if=/dev/urandom of=mnt/f$i bs=1M count=16 status=none
	sync mnt/f$i
done
kill -KILL $hog 2>/dev/null || true
equal "daemon" "$(daemon)" "$(daemon_of "$id")"
umount mnt
fsck.f2fs -f --dry-run "$dev" >check 2>&1 || die "fsck: $(<check)"
no_io_errors
pass "written back with no memory left"
death
del
verify_image disk.qcow2
leftovers

# One processor, and a collection for each allocation. Stopped twice, and while busy.
for env in GOGC=1 GOMAXPROCS=1; do
	zqublkd create --force -o size=256M,zone.mode=host-managed,zone.size=8M disk.qcow2 >/dev/null
	dev=$(env $env zqublkd add disk.qcow2 --recovery=reissue --recovery-limit=0)
	id=${dev#/dev/ublkb}
	tr '\0' '\n' <"/proc/$(daemon)/environ" | grep -x $env >/dev/null || die "the daemon runs without $env"
	fio --name=w --filename="$dev" --zonemode=zbd --direct=1 --rw=write --bs=32k --size=32M --ioengine=io_uring --iodepth=16 \
		--verify=crc32c --verify_fatal=1 >fio.log 2>&1 || die "fio with $env: $(<fio.log)"
	death
	no_io_errors
	(while dd if="$dev" of=/dev/null bs=64k count=64 iflag=direct status=none; do :; done) 2>/dev/null &
	reader=$!
	zqublkd del --force "$id" 2>first &
	first=$!
	zqublkd del --force "$id" 2>second || grep -q 'not a device of' second || die "second del: $(<second)" # or was it too late
	wait $first || grep -q 'not a device of' first || die "first del: $(<first)"
	wait $reader || true
	until_ok no_devices
	until_ok no_daemons
	dmesg --clear # the reader was told
	leftovers
	verify_image disk.qcow2
	pass "$env, and two at once to stop it while it is busy"
done
