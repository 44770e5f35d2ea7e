# SPDX-License-Identifier: Apache-2.0
# A device in use is handed over to a new program: under fio and under btrfs, and
# nobody sees an error; and what recover and upgrade refuse.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
load_driver
upgrades=3
[ "$SIZE" = full ] && upgrades=30

# install N: the program where devices are started from is another one now.
program=$work/zqublkd
install() {
	cp "$(type -P zqublkd)" "$program.new"
	printf 'program %d' "$1" >>"$program.new"
	mv "$program.new" "$program"
}
installed() { tail -c 12 "/proc/$1/exe" | grep -aq "program $2"; }
id_of() { basename "$1" | tr -dc 0-9; }
errors_of() { zqublkd errors "$1"; }

# hand_over N: upgrades all devices to program N.
hand_over() {
	local before id
	install "$1"
	before=$(zqublkd list --json | jq -c '[.[].pid]')
	"$program" upgrade all >said
	equal "devices upgraded" "$(wc -l <said)" 2
	for id in 0 1; do
		installed "$(daemon_of $id)" "$1" || die "device $id is not served by program $1"
	done
	[ "$before" != "$(zqublkd list --json | jq -c '[.[].pid]')" ] || die "no daemon has changed"
}

install 0
zqublkd create -o size=256M,zone.mode=host-managed,zone.size=8M,zone.conventional_zones=2 fio.qcow2 >/dev/null
zqublkd create -o size=512M,zone.mode=host-managed,zone.size=8M btrfs.qcow2 >/dev/null
"$program" add fio.qcow2 --recovery=reissue >/dev/null
"$program" add btrfs.qcow2 --recovery=reissue >/dev/null
modprobe btrfs
mkfs.btrfs -q -f -O zoned /dev/ublkb1
mkdir mnt src
mount /dev/ublkb1 mnt
python3 "$(dirname "$0")/tree.py" src 1 100 8
(cd src && find . -type f -print0 | xargs -0 md5sum) >sums

writing() {
	while [ ! -e enough ]; do
		blkzone reset -o 32768 /dev/ublkb0
		fio --name=w --filename=/dev/ublkb0 --zonemode=zbd --offset=16M --size=32M --direct=1 --rw=write --bs=16k \
			--ioengine=io_uring --iodepth=8 --verify=crc32c --verify_fatal=1 >fio.log 2>&1 || { cat fio.log; return 1; }
	done
}
copying() {
	while [ ! -e enough ]; do
		cp -a src mnt/t && sync -f mnt && echo 3 >/proc/sys/vm/drop_caches && (cd mnt/t && md5sum --quiet -c "$work/sums") && rm -r mnt/t || return 1
	done
}
writing &
writer=$!
copying &
copier=$!
for n in $(seq $upgrades); do
	sleep 1 # some work between them
	hand_over "$n"
done
touch enough
id=0
wait $writer || { tell; die "fio failed"; }
wait $copier || { tell; errors_of 1; die "the copies failed"; }
id=1
no_io_errors
id=0
no_io_errors
umount mnt
btrfs check /dev/ublkb1 >check 2>&1 || die "btrfs check: $(<check)"
pass "$upgrades upgrades of two busy devices"

# recover: by hand, when nobody brings the daemon back.
refused 6 'process [0-9]+: .*nothing to recover' zqublkd recover 0
supervisor=$(zqublkd list --json | jq '.[0].supervisor')
pid=$(daemon_of 0)
kill -KILL "$supervisor"
kill -KILL "$pid"
until_ok gone "$pid"
dd if=/dev/zero of=/dev/ublkb0 bs=4k count=1 oflag=direct status=none &
waiting=$!
equal "state" "$(zqublkd list --json | jq '.[0].alive')" false
zqublkd recover all
wait $waiting
deaths=0
death # the new one is brought back, too
zqublkd upgrade 0 >/dev/null
equal "the waiting write and all since" "$(errors_of 0)" ""
zqublkd del --all
verify_image fio.qcow2
verify_image btrfs.qcow2
leftovers
pass "recover"

add fio.qcow2 --recovery=off
refused 1 "served with --recovery=off.*reissue" zqublkd upgrade 0
refused 6 "process [0-9]+" zqublkd recover 0
refused 1 "not a device of" zqublkd recover 7
refused 1 "not a device of" zqublkd upgrade 7
refused 6 "another zqublkd serves" zqublkd del --dead 0
pid=$(daemon_of 0)
kill -KILL "$pid"
until_ok gone "$pid"
refused 1 "served with --recovery=off" zqublkd recover 0
zqublkd del --dead 0
leftovers
pass "what is refused"
