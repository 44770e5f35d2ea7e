# SPDX-License-Identifier: Apache-2.0
# Ten faults under a btrfs and an f2fs that are mounted: whatever they do to it, the image is
# sound, the file system can be mounted again, and what was fsynced before is there. And faults
# by chance: the same seed meets the same requests.
. "$(dirname "$0")/lib.sh"
load_driver
mnt=$work/mnt
mkdir "$mnt"
rounds=1
[ "$SIZE" = small ] || rounds=10

fault() { zqublkd fault add "$id" "$@" >/dev/null; }
met() { zqublkd fault list "$id" --json | jq '[.[].met] | add'; }
mount_it() { mount -t "$fs" "$dev" "$mnt"; }

# use: what a file system is used for; errors are what it is about.
use() {
	{
		cat "$mnt"/safe*
		head -c 3M /dev/urandom >"$mnt/new"
		sync -f "$mnt"
		dd if=/dev/urandom of="$mnt/direct" bs=64k count=16 oflag=direct conv=fsync
		rm -f "$mnt/new" "$mnt/direct"
		sync -f "$mnt"
	} >/dev/null 2>&1 || true
}

make_btrfs() { mkfs.btrfs -q -f -O zoned "$1"; }
check_btrfs() { btrfs check "$1"; }
make_f2fs() { mkfs.f2fs -q -f -m "$1"; }
check_f2fs() { fsck.f2fs -f --dry-run "$1"; }

ten=(
	"--op read --status EIO --count 3"
	"--op read --status ENODATA --chance 5 --seed 1"
	"--op write --status EIO --count 1 --torn --seed 2"
	"--op write --status ETIMEDOUT --after 20 --count 2"
	"--op write --status ENOSPC --chance 20 --seed 3"
	"--op append --status EIO --after 3 --count 2"
	"--op flush --status EIO --after 1 --count 1"
	"--op reset --status EIO --count 2"
	"--op finish --status EIO --count 1"
	"--op write --delay 5ms..20ms --chance 3 --seed 4"
)

for fs in btrfs f2fs; do
	modprobe $fs
	zqublkd create --force -q -o size=640M,zone.mode=host-managed,zone.size=16M,zone.conventional_zones=20 disk.qcow2
	add disk.qcow2
	"make_$fs" "$dev"
	hits=0
	for ((round = 0; round < rounds; round++)); do
		for k in "${!ten[@]}"; do
			mount_it
			head -c 700000 /dev/urandom >"safe$k"
			dd if="safe$k" of="$mnt/safe$k" bs=64k conv=fsync status=none
			sync -f "$mnt"
			echo 3 >/proc/sys/vm/drop_caches
			fault ${ten[k]}
			use
			n=$(met)
			hits=$((hits + n))
			say "$fs, ${ten[k]}: met $n"
			umount "$mnt"
			zqublkd fault clear "$id"
			mount_it # a log is written back
			for f in safe*; do cmp "$f" "$mnt/$f" || die "$fs after ${ten[k]}: $f is not there"; done
			umount "$mnt"
			"check_$fs" "$dev" >out 2>&1 || die "$fs after ${ten[k]}: $(<out)"
		done
	done
	[ "$hits" -gt 8 ] || die "$fs: the faults have met $hits requests"
	del
	verify_image disk.qcow2
	rm -f safe*
	pass "$((rounds * 10)) faults under a mounted $fs, $hits requests met"
done

# chance SEED: the reads of two hundred that fail.
chance() {
	fault --op read --status EIO --chance 7 --seed "$1" --start 0 --nr-sectors 16384
	python3 - "$dev" <<-'END'
		import mmap, os, sys
		fd, b, failed = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT), mmap.mmap(-1, 4096), []
		for k in range(200):
		    try:
		        os.preadv(fd, [b], k * 4096)
		    except OSError:
		        failed.append(k)
		print(*failed)
	END
	zqublkd fault clear "$id"
}
add disk.qcow2
first=$(chance 5) again=$(chance 5) other=$(chance 6)
del
equal "reads that fail again" "$again" "$first"
[ "$other" != "$first" ] && [ "$(wc -w <<<"$first")" -gt 10 ] || die "reads that fail: '$first', with another seed '$other'"
pass "one in 7 with a seed are the same $(wc -w <<<"$first") again"
leftovers
