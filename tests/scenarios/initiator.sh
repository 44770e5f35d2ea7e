# SPDX-License-Identifier: Apache-2.0
# What uses a shared device, on this machine or another; sourced after lib.sh.
hostid=4c1c7e7e-6a5b-4d0f-9c3a-0d5f9a3b7e11
hostnqn=nqn.2014-08.org.nvmexpress:uuid:$hostid

# Linux 6.12 gives the disk of a multipath no append limit of its path, which then
# refuses what is longer (seen with btrfs; it is no matter of the target's).
modprobe nvme_core multipath=N

# namespace_of NQN: sets nvme to the block device of the subsystem.
namespace_of() {
	local dir
	for dir in /sys/class/nvme-subsystem/* /sys/class/nvme/*; do # with multipath, and without
		[ "$(cat "$dir/subsysnqn" 2>/dev/null)" = "$1" ] || continue
		for nvme in "$dir"/nvme*n1; do
			nvme=/dev/${nvme##*/}
			[ ! -b "$nvme" ] || return 0
		done
	done
	return 1
}

# connect ADDRESS PORT NQN
connect() {
	modprobe nvme-tcp
	nvme connect -t tcp -a "$1" -s "$2" -n "$3" --hostnqn="$hostnqn" --hostid="$hostid" >/dev/null
	eventually 30 namespace_of "$3"
}

# verified: fio writes zones, as its zbd mode does, and reads them back.
verified() {
	fio --name=v --filename="$nvme" --zonemode=zbd --rw=randwrite --bs=64k --direct=1 --ioengine=io_uring --iodepth=4 --max_open_zones=8 \
		--size=96M --io_size=48M --verify=crc32c --verify_fatal=1 --output=fio.out >/dev/null || { cat fio.out; return 1; }
}

# written FOLDER: files are written, read back from the disk, and removed.
written() {
	head -c 24M /dev/urandom >"$work/some"
	cp "$work/some" "$1/a" && sync -f "$1" && echo 3 >/proc/sys/vm/drop_caches && cmp "$work/some" "$1/a" && rm "$1/a"
}
