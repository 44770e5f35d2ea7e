# SPDX-License-Identifier: Apache-2.0
# Everything at once, for a time: zones written and verified, appends, btrfs, and
# ext4 on a plain image, while daemons are killed, stopped for a moment and
# upgraded and caches dropped. SOAK_SECONDS and SOAK_SEED say how long and what.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
. "$(dirname "$0")/nvmet.sh"
load_driver
: "${SOAK_SECONDS:=240}" "${SOAK_SEED:=$EPOCHSECONDS}"
say "seed $SOAK_SEED, $SOAK_SECONDS s"
RANDOM=$SOAK_SEED
here=$(dirname "$0")
end=$((EPOCHSECONDS + SOAK_SECONDS))
over() { ((EPOCHSECONDS >= end)); }

program=$work/zqublkd
cp "$(type -P zqublkd)" "$program"
declare -A node
serve() { # NAME IMAGE
	"$program" add "$2" --recovery=reissue --recovery-limit=0 --name "$1" >/dev/null
	node[$1]=$(zqublkd list --json | jq -r ".[] | select(.name == \"$1\") | .node")
}
zoned="zone.mode=host-managed,zone.size=8M"
zqublkd create -o $zoned,size=256M,zone.conventional_zones=2,zone.max_open_zones=8,zone.max_active_zones=12 fio.qcow2 >/dev/null
zqublkd create -o $zoned,size=256M,zone.capacity=6M append.qcow2 >/dev/null
zqublkd create -o $zoned,size=512M btrfs.qcow2 >/dev/null
qemu-img create -q -f qcow2 ext4.qcow2 256M
for name in fio append btrfs ext4; do serve $name $name.qcow2; done
dev=${node[append]}
target
modprobe btrfs
mkfs.btrfs -q -f -O zoned "${node[btrfs]}"
mkfs.ext4 -q "${node[ext4]}"
mkdir src btrfs ext4
mount "${node[btrfs]}" btrfs
mount "${node[ext4]}" ext4
python3 "$here/tree.py" src $((SOAK_SEED % 1000000)) 100 8
(cd src && find . -type f -print0 | xargs -0 md5sum) >sums

# The loads: each goes round until the time is over and counts in a file.
round_fio() {
	blkzone reset -o 32768 "${node[fio]}"
	fio --name=w --filename="${node[fio]}" --zonemode=zbd --offset=16M --size=64M --direct=1 --rw=randwrite --bsrange=4k-64k --max_open_zones=6 \
		--ioengine=io_uring --iodepth=8 --verify=crc32c --verify_fatal=1 --io_size=24M --randseed=$RANDOM >fio.log 2>&1 || { cat fio.log; return 1; }
}
round_append() {
	local zone=2048 zones=() i
	blkzone reset "$nvme"
	for i in 0 2 3 5 7 8 9; do zones+=($((i * zone))); done
	python3 "$here/appends.py" $generic 1 4096 8 "${zones[@]}" >lines && python3 "$here/landed.py" $nvme 4096 gaps <lines >/dev/null
}
round_tree() {
	cp -a src "$1/t" && sync -f "$1" && (cd "$1/t" && md5sum --quiet -c "$work/sums") && rm -r "$1/t"
}
round_btrfs() { round_tree btrfs; }
round_ext4() { round_tree ext4; }
load() {
	local n=0
	until over || [ -e failed ]; do
		round_"$1" || { touch failed; echo "the load on $1 failed in round $n" >&2; return 1; }
		n=$((n + 1))
		echo $n >"$1.rounds"
	done
}
loads=()
for name in fio append btrfs ext4; do
	echo 0 >$name.rounds
	load $name &
	loads+=($!)
done

kills=0 upgrades=0 pauses=0 drops=0
until over || [ -e failed ]; do
	id=$((RANDOM % 4))
	case $((RANDOM % 8)) in
	0 | 1 | 2 | 3) death && kills=$((kills + 1)) ;;
	4 | 5) "$program" upgrade $id >/dev/null && upgrades=$((upgrades + 1)) ;;
	6)
		pid=$(daemon)
		kill -STOP "$pid" && sleep "0.$((RANDOM % 10))" && kill -CONT "$pid"
		pauses=$((pauses + 1))
		;;
	7) echo 3 >/proc/sys/vm/drop_caches && drops=$((drops + 1)) ;;
	esac
done
code=0
for pid in "${loads[@]}"; do wait "$pid" || code=1; done
counts="seed $SOAK_SEED: $kills kills, $upgrades upgrades, $pauses pauses, $drops times caches dropped;"
for name in fio append btrfs ext4; do counts+=" $name $(<$name.rounds) rounds"; done
for id in 0 1 2 3; do
	[ $code = 0 ] || { echo "== device $id"; tell; } >&2
	[ $code != 0 ] || no_io_errors
done
[ $code = 0 ] || die "$counts"
umount btrfs ext4
btrfs check "${node[btrfs]}" >check 2>&1 || die "btrfs check: $(<check)"
e2fsck -fn "${node[ext4]}" >check 2>&1 || die "e2fsck: $(<check)"
untarget
zqublkd del --all
for name in fio append btrfs; do verify_image $name.qcow2; done
verify_plain ext4.qcow2
leftovers
pass "$counts"
