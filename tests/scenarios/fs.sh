# SPDX-License-Identifier: Apache-2.0
# Common to the scenarios of the file systems; sourced after lib.sh. The
# scenario defines make_fs DEVICE, mount_fs DEVICE FOLDER, check_fs DEVICE (no
# repair) and sync_fs FOLDER, after which the file system sees what is free.

scale=1
[ "${SIZE:-small}" = small ] || scale=3
files=$((1000 * scale)) mib=$((100 * scale)) churns=$((2 * scale))

# tree: sets src to a new tree of files, and sums to their checksums.
tree() {
	src=$work/tree sums=$work/sums mnt=$work/mnt
	mkdir "$src" "$mnt"
	python3 "$(dirname "$0")/tree.py" "$src" 1 "$files" "$mib"
	(cd "$src" && find . -type f -print0 | xargs -0 md5sum) >"$sums"
}

# same: the files in mnt are those of the tree and their contents are equal.
same() {
	(cd "$mnt" && md5sum --quiet -c "$sums") || die "$mnt: checksums differ"
	equal "files in $mnt" "$(find "$mnt" -type f | wc -l)" "$(wc -l <"$sums")"
}

# life NAME CREATE-OPTION...: of a file system on a new image, from mkfs to the
# last check, while its device comes and goes.
life() {
	local name=$1 image=$work/disk.qcow2
	shift
	zqublkd create -o zone.mode=host-managed "$@" "$image" >/dev/null
	add "$image"
	limits "$*"
	make_fs "$dev"
	mount_fs "$dev" "$mnt"
	cp -a "$src/." "$mnt"
	umount "$mnt"
	check_fs "$dev"
	del

	add "$image"
	mount_fs "$dev" "$mnt"
	same
	churn
	umount "$mnt"
	del

	add "$image"
	mount_fs "$dev" "$mnt"
	same
	umount "$mnt"
	check_fs "$dev"
	del
	verify_image "$image"
	rm "$image"
	pass "$name"
}

# limits CREATE-OPTIONS: sets max_open and max_active to the device's, which
# must be those of the options.
limits() {
	max_open=$(attr max_open_zones) max_active=$(attr max_active_zones)
	case $1 in *max_open_zones=*) equal max_open_zones "$max_open" "$(sed -E 's/.*max_open_zones=([0-9]+).*/\1/' <<<"$1")" ;; esac
	case $1 in *max_active_zones=*) equal max_active_zones "$max_active" "$(sed -E 's/.*max_active_zones=([0-9]+).*/\1/' <<<"$1")" ;; esac
}

# snapshot: notes how far each sequential zone is written now, and sees that no
# more of them are open or active than may be.
snapshot() {
	local open active
	blkzone report "$dev" | grep 'type: 2' >report
	sed -E 's/.*start: (\S+), .* wptr (\S+) .*/\1 \2/' report >>zones
	open=$(grep -Ec 'zcond: [23]' report || true) active=$(grep -Ec 'zcond: [234]' report || true)
	[ "$max_open" = 0 ] || [ "$open" -le "$max_open" ] || die "$open zones open, limit $max_open"
	[ "$max_active" = 0 ] || [ "$active" -le "$max_active" ] || die "$active zones active, limit $max_active"
}

# zone_history: how many resets the snapshots tell of, and how many zones were
# written again after one. A full zone's write pointer is N/A.
zone_history() {
	awk '{ wp = $2 == "N/A" ? 2^63 : strtonum($2)
		if ($1 in last && wp < last[$1]) { fell[$1]; falls++ }
		if ($1 in last && wp > last[$1] && $1 in fell) again[$1]
		last[$1] = wp }
		END { print falls + 0, length(again) }' zones
}

zones_reset() { zone_history | cut -d' ' -f1; }

# more_reset N: more than N resets were seen.
more_reset() {
	sync_fs "$mnt"
	snapshot
	[ "$(zones_reset)" -gt "$1" ]
}

# churn: parts of the tree go and are written again, and so are zones.
churn() {
	local round parts history
	: >zones
	snapshot
	for ((round = 0; round < churns; round++)); do
		parts=(q$((round % 2 * 2)) q$((round % 2 * 2 + 1)))
		(cd "$mnt" && rm -r "${parts[@]}")
		eventually 30 more_reset "$(zones_reset)"
		(cd "$src" && cp -a "${parts[@]}" "$mnt")
		sync_fs "$mnt"
		snapshot
	done
	history=($(zone_history))
	say "${history[0]} zones reset, ${history[1]} of them written again"
	[ "${history[1]}" -gt 0 ] || die "no zone was written again after a reset"
}

# trace_appends, appended: how many zone appends the kernel has sent to devices
# since. Linux 6.12's trace has no letter for them: of its nameless requests
# only they have a length.
trace_appends() {
	tracing=/sys/kernel/tracing
	mountpoint -q $tracing || mount -t tracefs tracefs $tracing
	local event
	echo 8192 >$tracing/buffer_size_kb
	for event in block_rq_issue block_rq_complete; do
		echo 'nr_sector > 0 && (rwbs ~ "N*" || rwbs ~ "ZA*")' >$tracing/events/block/$event/filter
		echo 1 >$tracing/events/block/$event/enable
	done
	echo >$tracing/trace
}

appended() {
	echo 0 >$tracing/events/block/enable
	grep -c 'block_rq_issue: ' $tracing/trace || true
}

# appends_on_all_queues N: after appended: every CPU, each of which has a queue of
# the device, has sent some, and N or more were on their way at the same time.
appends_on_all_queues() {
	local most
	equal "queues" "$(ls "/sys/block/${dev#/dev/}/mq" | wc -l)" "$(nproc)"
	equal "CPUs that sent appends" "$(grep block_rq_issue $tracing/trace | grep -o '\[0[0-9]*\]' | sort -u | wc -l)" "$(nproc)"
	most=$(awk '/block_rq_issue: / { if (++now > most) most = now } /block_rq_complete: / { now-- } END { print most + 0 }' $tracing/trace)
	[ "$most" -ge "$1" ] || die "at most $most appends were on their way at once, want $1"
	say "up to $most appends on their way at once"
}
