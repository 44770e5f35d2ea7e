# SPDX-License-Identifier: Apache-2.0
# Zero copy: where the kernel can (7.3), requests' own pages go to the image file
# and back; the daemon copies only what direct I/O can't reach.
. "$(dirname "$0")/lib.sh"
load_driver
image=$work/disk.qcow2
has=$(zqublkd features --json | jq '.features[] | select(.name == "AUTO_BUF_REG") | .has')
case $kernel in 7.*) equal "AUTO_BUF_REG" "$has" true ;; *) equal "AUTO_BUF_REG" "$has" false ;; esac

# copies_so_far: the requests that the daemon says it has copied.
copies_so_far() {
	python3 - "/run/zqublkd/$id/control.sock" <<-'END'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		s.sendall(b'{"verb": "status"}\n')
		print(json.load(s.makefile())["status"]["copied_requests"])
	END
}

# copies N COMMAND...: how many of N requests the daemon copied itself.
copied() {
	local n=$1 before
	shift
	before=$(copies_so_far)
	"$@" >out 2>&1 || die "$*: $(cat out)"
	copies=$((($(copies_so_far) - before) * 100 / n))
}

few() { [ "$copies" -lt 10 ] || die "$1: $copies of 100 requests were copied, want few"; }
all() { [ "$copies" -ge 100 ] || die "$1: $copies of 100 requests were copied, want all"; }

zones() { fio --name=z --filename="$dev" --zonemode=zbd --direct=1 --bs=4k --ioengine=io_uring --iodepth=8 --size=8z --io_size=8M "$@"; }

zqublkd create -o size=256M,zone.mode=host-managed,zone.size=16M,zone.conventional_zones=2 "$image" >/dev/null
for choice in auto off; do
	add "$image" --zero-copy "$choice"
	want=all
	[ "$choice $has" != "auto true" ] || want=few
	equal "zero_copy of the list" "$(zqublkd list --json | jq .[].zero_copy)" "$([ $want = few ] && echo true || echo false)"
	blkzone reset -o 65536 "$dev"
	copied 1024 zones --offset=32M --rw=write --io_size=4M --iodepth=1 # deeper, the kernel makes few of many
	$want "writes, $choice"
	copied 2048 zones --offset=32M --rw=randread
	$want "reads, $choice"
	blkzone reset -o 65536 "$dev"
	zones --offset=32M --rw=randwrite --bsrange=4k-128k --bs_unaligned=0 --verify=crc32c --verify_fatal=1 >out 2>&1 || die "verify, $choice: $(cat out)"
	del
	verify_image "$image"
	pass "zero copy $choice: $want copied by the daemon"
done

# Memory that direct I/O can't take, and a read beyond the write pointer, get
# the same data by a copy.
odd() {
	python3 - "$dev" <<-'END'
		import mmap, os, sys
		fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
		base = 224 << 20
		memory = mmap.mmap(-1, 1 << 20)
		view = memoryview(memory)
		data = os.urandom(64 << 10)
		for at in (0, 512, 1024, 3584): # of a page
		    memory[at:at + len(data)] = data
		    assert os.pwritev(fd, [view[at:at + len(data)]], base) == len(data)
		    base += len(data)
		for at in (0, 512, 1536):
		    for off in (base - len(data), base - 4096):
		        n = os.preadv(fd, [view[at:at + len(data)]], off)
		        want = data[off - (base - len(data)):] + bytes(off - (base - len(data)))
		        assert n == len(data) and memory[at:at + n] == want, (at, off, n)
	END
}
add "$image"
odd
del
verify_image "$image"
pass "memory at odd places, reads across the write pointer"
leftovers
