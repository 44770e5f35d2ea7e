# SPDX-License-Identifier: Apache-2.0
# A device shared through the kernel's NVMe target over TCP, used by this machine as
# another would: the daemon dies under fio and btrfs, and nobody is told of an error.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
. "$(dirname "$0")/initiator.sh"
load_driver
kills=2
[ "$SIZE" = full ] && kills=10

create() { zqublkd create --force -o "size=512M,zone.mode=host-managed,zone.size=8M,$2" "$1" >/dev/null; }
address=127.0.0.1:4420
ip link set lo up
empty() { find /sys/kernel/config/nvmet -mindepth 2 -maxdepth 2 | grep -v discovery || true; }

# What the kernel can't share is refused before it is tried.
modprobe configfs
create conv.qcow2 zone.conventional_zones=4
add conv.qcow2
refused 3 "$dev: .*4 of its zones are conventional" zqublkd share "$dev" --nvme-tcp $address
del
create disk.qcow2 zone.max_open_zones=12,zone.max_active_zones=14
add disk.qcow2 --read-only
refused 3 "$dev: .*read-only" zqublkd share "$dev" --nvme-tcp $address
del
add disk.qcow2 --recovery=reissue --recovery-limit=0
mkfs.btrfs -q -f -O zoned "$dev"
mkdir here
modprobe btrfs
mount -t btrfs "$dev" here
refused 6 "mounted at.*other machines would write" zqublkd share "$dev" --nvme-tcp $address
umount here
blkzone reset "$dev"
refused 2 "any-host" zqublkd share "$dev" --nvme-tcp 10.0.0.1:4420
refused 2 "10.0.0.1:4420" zqublkd share "$dev" --nvme-tcp localhost:4420
refused 2 "slash" zqublkd share "$dev" --nvme-tcp $address --host nqn.a/../b
refused 2 "no such address" zqublkd share "$dev" --nvme-tcp 10.9.8.7:4420 --host "$hostnqn"
python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 4421))
print(flush=True)
time.sleep(600)' >listening &
listener=$!
until_ok test -s listening
refused 2 "listens there" zqublkd share "$dev" --nvme-tcp 127.0.0.1:4421
kill $listener
equal "left by what was refused" "$(empty)" ""
rmmod nvmet_tcp
mkdir -p /etc/modprobe.d
echo 'install nvmet-tcp /bin/false' >/etc/modprobe.d/none.conf
refused 4 "no module nvmet-tcp" zqublkd share "$dev" --nvme-tcp $address
rm /etc/modprobe.d/none.conf
equal "left by what was refused" "$(empty)" ""
pass "what can't be shared is refused"

nqn=$(zqublkd share "$dev" --nvme-tcp $address --host "$hostnqn")
equal "share again" "$(zqublkd share disk.qcow2 --nvme-tcp $address --host "$hostnqn")" "$nqn"
refused 6 "shared already.*unshare" zqublkd share "$dev" --nvme-loop
equal "list -J" "$(zqublkd list -J | jq -c '.[0].share')" \
	"{\"nqn\":\"$nqn\",\"transport\":\"tcp\",\"address\":\"$address\",\"hosts\":[\"$hostnqn\"]}"
equal "list -o share" "$(zqublkd list -n -o share)" "nvme-tcp $address ($hostnqn)"
refused 6 "$dev is in use: .*zqublkd unshare $id" zqublkd del "$id"
if nvme connect -t tcp -a 127.0.0.1 -s 4420 -n "$nqn" --hostnqn=nqn.2026-11.org.example:stranger --hostid=$(cat /proc/sys/kernel/random/uuid) >said 2>&1; then
	die "a host that is not in the list may connect"
fi
connect 127.0.0.1 4420 "$nqn"
equal "namespace" "$(<"/sys/block/${nvme#/dev/}/queue/zoned") $(<"/sys/block/${nvme#/dev/}/queue/nr_zones") $(<"/sys/block/${nvme#/dev/}/queue/max_open_zones")" "host-managed 64 12"
pass "shared with one host"

deaths_under $kills verified
pass "$deaths deaths under fio"
modprobe btrfs
mkfs.btrfs -q -f -O zoned "$nvme"
mkdir mnt
mount -t btrfs "$nvme" mnt
before=$deaths
deaths_under $kills written mnt
umount mnt
btrfs check "$nvme" >check 2>&1 || die "check of btrfs: $(cat check)"
no_io_errors
pass "$((deaths - before)) deaths under btrfs"

nvme disconnect -n "$nqn" >/dev/null
zqublkd unshare "$dev"
zqublkd unshare disk.qcow2
equal "left by unshare" "$(empty)" ""
equal "share" "$(zqublkd list -J | jq -c '.[0].share')" null
del
verify_image disk.qcow2
pass "unshared"

# With this machine alone; and del --force ends it.
add disk.qcow2
nqn=$(zqublkd share "$dev" --nvme-loop)
modprobe nvme-loop
nvme connect -t loop -n "$nqn" --hostnqn="$hostnqn" --hostid="$hostid" >/dev/null
eventually 30 namespace_of "$nqn"
blkzone report -c 1 "$nvme" >/dev/null
nvme disconnect -n "$nqn" >/dev/null
zqublkd del --force "$id"
equal "left by del --force" "$(empty)" ""
leftovers
pass "loop"

# A daemon that hangs, with requests of a host under way, which the target waits for: unshare does
# not, and del --force ends the daemon, the device and the share.
add disk.qcow2
nqn=$(zqublkd share "$dev" --nvme-loop)
nvme connect -t loop -n "$nqn" --hostnqn="$hostnqn" --hostid="$hostid" >/dev/null
eventually 30 namespace_of "$nqn"
kill -STOP "$(daemon_of "$id")"
dd if="$nvme" of=/dev/null bs=64k count=1 iflag=direct status=none 2>reader &
reader=$!
sleep 1
refused 1 "has given no answer.*del --force" timeout -k 1 60 zqublkd unshare "$id"
timeout -k 1 60 zqublkd del --force "$id" || die "del --force of a shared device whose daemon hangs"
wait $reader && die "the read was answered: by whom?"
nvme disconnect -n "$nqn" >/dev/null || true
equal "left by del --force" "$(empty)" ""
until_ok no_devices
leftovers
pass "a shared device whose daemon hangs"
pass "done"
