# SPDX-License-Identifier: Apache-2.0
# The machine that uses what the other one shares.
. /opt/zqublkd/scenarios/lib.sh
. /opt/zqublkd/scenarios/death.sh
. /opt/zqublkd/scenarios/initiator.sh
modprobe virtio_net
until_ok ip link set eth0 up
ip address add 10.0.0.2/24 dev eth0
modprobe -a nvme-tcp btrfs

order() { # WORD: the other machine does it, and says so
	local answer
	exec 8<>/dev/tcp/10.0.0.1/9999
	echo "$1" >&8
	read -r answer <&8
	exec 8>&-
	[[ $answer = ok* ]] || die "told to $1 it says '$answer'"
}

death() {
	sleep "0.$((RANDOM % 7 + 1))"
	order kill
	deaths=$((deaths + 1))
}

no_io_errors() {
	equal "errors in the kernel's log after $deaths deaths" "$(dmesg |
		grep -E 'I/O error|I/O.*timeout|critical .* error|BTRFS (error|warning|critical)|nvme.*(econnect|ailed|error)' |
		grep -v 'BTRFS error .*: double scheduling of bg [0-9]* zone finishing' || true)" ""
}

tell() { dmesg | tail -20; }

shared() { # sets nqn
	nqn=$(nvme discover -t tcp -a 10.0.0.1 -s 4420 --hostnqn="$hostnqn" --hostid="$hostid" 2>/dev/null | sed -n 's/^subnqn: *\(nqn.*zqublkd.*\)/\1/p')
	[ -n "$nqn" ]
}
eventually 200 shared
dmesg -C # a discovery that came too early
connect 10.0.0.1 4420 "$nqn"
equal "namespace" "$(<"/sys/block/${nvme#/dev/}/queue/zoned") $(<"/sys/block/${nvme#/dev/}/queue/nr_zones")" "host-managed 64"
pass "connected to $nqn"

deaths_under "$KILLS" verified
pass "$deaths deaths under fio"
mkfs.btrfs -q -f -O zoned "$nvme"
mkdir mnt
mount -t btrfs "$nvme" mnt
deaths_under "$KILLS" written mnt
umount mnt
btrfs check "$nvme" >check 2>&1 || die "check of btrfs: $(cat check)"
no_io_errors
nvme disconnect -n "$nqn" >/dev/null
order "done"
pass "$deaths deaths, fio and btrfs"
