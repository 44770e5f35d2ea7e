# SPDX-License-Identifier: Apache-2.0
# Counters, metrics, trace and top agree with what fio and blkzone did, number by number, and with a
# Prometheus that scrapes them; what a killed daemon, a restart and an upgrade leave of each. At the
# end the screens and graphs that the documentation shows are left in /out: CAPTURE=180 makes three
# minutes of them.
. "$(dirname "$0")/lib.sh"
load_driver
modprobe btrfs
: "${CAPTURE:=10}"

zone=$((8 << 20))
here=$(cd "$(dirname "$0")" && pwd)
see() { python3 -E -S "$here/see.py" "$@"; }

zqublkd create -o size=256M,zone.mode=host-managed,zone.size=8M,zone.conventional_zones=1,zone.max_open_zones=2,zone.max_active_zones=4,zone.counters=on disk.qcow2 >/dev/null
add disk.qcow2 --metrics
zqublkd metrics &
exporter=$!
cat >prometheus.yml <<END
global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}
rule_files: [/opt/zqublkd/zqublkd.rules.yml]
scrape_configs: [{job_name: zqublkd, static_configs: [{targets: ["127.0.0.1:9813"]}]}]
END
/opt/zqublkd/prometheus/prometheus --config.file=prometheus.yml --storage.tsdb.path="$work/tsdb" \
	--web.listen-address=127.0.0.1:9090 2>prometheus.log &
prometheus=$!

# take FILE: the numbers of the endpoint, now.
take() { see numbers >"$1"; }

# of FILE NAME [FILTER]: the sum of a metric.
of() { jq "[.[] | select(.metric == \"$2\" and (${3:-true})) | .value] | add // 0" "$1"; }

# since NAME [FILTER]: how much more it is than before.
since() { echo $(($(of after "$@") - $(of before "$@"))); }

# zones_by CODES: how many zones blkzone reports in these conditions.
zones_by() { grep -Ec "\(($1)\) \[" report || true; }

# traced FILTER: how many events of the trace in traced.json.
traced() { jq "map(select($1)) | length" traced.json; }

# answered OP OK FAILED: as often as that, by the endpoint, its latencies, and the trace.
answered() {
	equal "metrics, $1" "$(since requests_total ".op == \"$1\" and .result == \"ok\"")" "$2"
	equal "metrics, $1 that failed" "$(since requests_total ".op == \"$1\" and .result == \"error\"")" "$3"
	equal "latencies, $1" "$(since request_duration_seconds_count ".op == \"$1\"")" $(($2 + $3))
	local name=${1#zone-}
	equal "trace, $1" "$(traced ".op == \"$name\" and .error == null")" "$2"
	equal "trace, $1 that failed" "$(traced ".op == \"$name\" and .error != null")" "$3"
}

# moved OP BYTES
moved() {
	equal "metrics, bytes of $1" "$(since request_bytes_total ".op == \"$1\"")" "$2"
	equal "trace, bytes of $1" "$(jq "map(select(.op == \"$1\" and .error == null).length) | add" traced.json)" "$2"
}

# by_fio FILE DIRECTION WHAT
by_fio() { jq ".jobs[0].$2.$3" "$1"; }

worn() {
	zqublkd report --wear --json -U disk.qcow2 |
		jq -r ".[] | select(.zone == $1) | \"\\(.resets) \\(.finishes) \\(.bytes) \\(.appends) \\(.evictions)\""
}

put() { dd if=/dev/zero of="$dev" bs=64k oflag=seek_bytes,direct conv=notrunc seek="$1" count="$2" status=none; }
manage() { blkzone "$1" -o $(($2 * zone / 512)) -l $((zone / 512)) "$dev"; }

# standing: the endpoint's gauges are what blkzone and the file system say.
standing() {
	local pair
	blkzone report "$dev" >report
	take now
	for pair in nw:not-write-pointer em:empty oi:implicit-open oe:explicit-open cl:closed fu:full ro:read-only of:offline; do
		equal "zones ${pair#*:}" "$(of now zones ".condition == \"${pair#*:}\"")" "$(zones_by "${pair%:*}")"
	done
	equal "zones open" "$(of now zones_open)" "$(zones_by 'oi|oe')"
	equal "zones active" "$(of now zones_active)" "$(zones_by 'oi|oe|cl')"
	equal "limits" "$(of now zones_max_open) $(of now zones_max_active)" "2 4"
	equal "size" "$(of now image_virtual_bytes)" "$(blockdev --getsize64 "$dev")"
	equal "file" "$(of now image_file_bytes)" "$(stat -c %s disk.qcow2)"
	equal "space" "$(of now image_allocated_bytes)" $(($(stat -c %b disk.qcow2) * 512))
	equal "in flight, waiting, jobs" "$(of now requests_in_flight) $(of now requests_waiting) $(of now jobs)" "0 0 0"
	say "Prometheus has the same $(see same) numbers"
}

numbers() {
	echo 2 >"/sys/block/${dev#/dev/}/queue/nomerges" # what fio asks for is what the device gets
	take before
	zqublkd trace -o see.trace "$dev" &
	local tracer=$!
	eventually 5 test -s see.trace
	fio --name=w --filename="$dev" --zonemode=zbd --direct=1 --ioengine=libaio --iodepth=1 --rw=write --bs=64k --offset=$((2 * zone)) \
		--size=2z --io_size=9M --max_open_zones=1 --output-format=json --output=writes.json
	fio --name=r --filename="$dev" --direct=1 --ioengine=libaio --iodepth=8 --rw=randread --bs=4k --offset=$((2 * zone)) \
		--size=8M --io_size=2M --output-format=json --output=reads.json
	manage finish 3
	manage open 5
	manage close 5
	manage reset 2
	put $((4 * zone)) 3
	put $((5 * zone)) 1
	put $((6 * zone)) 1 # two may be open: zone 4 is closed
	manage open 7       # and now zone 5
	! put $((8 * zone)) 1 2>/dev/null || die "a fifth zone became active"
	sync "$dev"
	take after
	kill -INT $tracer
	wait $tracer || die "trace: exit status $?"
	zqublkd trace --json --from see.trace | jq -s . >traced.json

	answered write $(($(by_fio writes.json write total_ios) + 5)) 1
	answered read "$(by_fio reads.json read total_ios)" 0
	moved write $(($(by_fio writes.json write io_bytes) + 5 * 65536))
	moved read "$(by_fio reads.json read io_bytes)"
	equal "fio" "$(by_fio writes.json write io_bytes) $(by_fio reads.json read io_bytes)" "$((9 << 20)) $((2 << 20))"
	answered zone-finish 1 0
	answered zone-open 2 0
	answered zone-close 1 0
	answered zone-reset 1 0
	answered flush 1 0
	equal "errors by rule" "$(since request_errors_total) $(since request_errors_total '.rule == "too many active zones"')" "1 1"
	equal "dropped" "$(traced '.event == "end" and .count == 0')" 1
	pass "metrics and trace agree with fio and blkzone"

	equal "zone 2" "$(worn 2)" "1 0 $zone 0 0"
	equal "zone 3" "$(worn 3)" "0 1 $((1 << 20)) 0 0"
	equal "zone 4, closed for another" "$(worn 4)" "0 0 $((3 * 65536)) 0 1"
	equal "zone 5, closed for another" "$(worn 5)" "0 0 65536 0 1"
	equal "zone 6" "$(worn 6)" "0 0 65536 0 0"
	equal "zones 7 and 8, to which nothing was done" "$(worn 7)$(worn 8)" ""
	pass "and so do the counters"
	standing
	# how each zone came to stand, by the trace and by blkzone
	jq -r --argjson size $zone 'map(select(.event == "write-pointer-moved")) | group_by(.zone)[] | last |
		"\(.zone) \(if .condition == "full" then "-" else .wp - .zone * $size end) \(.condition)"' traced.json >by-trace
	equal "zones by the trace" "$(<by-trace)" \
		"$(pointers 2 7 | sed 's/em$/empty/; s/cl$/closed/; s/oi$/implicit-open/; s/oe$/explicit-open/; s/fu$/full/')"
	equal "zones implicitly open, by the trace" "$(jq 'map(select(.event == "implicitly-open-zones").count) | last' traced.json)" "$(zones_by oi)"
	pass "and Prometheus, blkzone and the file system"
}

# pointers FIRST LAST: zones, their write pointers, from their starts, in bytes, and conditions.
pointers() {
	local k=0 line
	while read -r line; do
		[[ $line =~ wptr\ ([^ ]+).*\((..)\)\ \[ ]] || die "blkzone: $line"
		local at=${BASH_REMATCH[1]} condition=${BASH_REMATCH[2]}
		# a full zone has none, for some
		if [ "$at" = N/A ] || [ "$condition" = fu ]; then at=-; else at=$((at * 512)); fi
		((k < $1 || k > $2)) || echo "$k $at $condition"
		k=$((k + 1))
	done <report
}

watching() {
	zqublkd errors "$dev" | tail -1 >last
	grep -E 'too many active zones.*held by zone 7 \(explicit-open.*zone 4 \(closed.* written .*zone 5 \(closed.* written .*zone 6 \(implicit-open.* written ' \
		last >/dev/null || die "who has the slots: $(<last)"
	equal "holders by errors" "$(zqublkd errors --json "$dev" | jq -c '.[-1].holders | map(.zone) | sort')" '[4,5,6,7]'
	equal "not written" "$(zqublkd errors --json "$dev" | jq -c '.[-1].holders | map(select((.written // "0001") < "0002").zone)')" '[7]'
	zqublkd top --once --json "$dev" >top
	equal "top: operations" "$(jq -c '[.devices[0].stats.ops[] | [.op, .ok, .failed]] | sort' top)" \
		"$(jq -c '[.[] | select(.metric == "requests_total")] | group_by(.op) | map([.[0].op, (.[] | select(.result == "ok").value), (.[] | select(.result == "error").value)]) | sort' now)"
	equal "top: bytes" "$(jq '[.devices[0].stats.ops[].bytes] | add' top)" "$(of now request_bytes_total)"
	equal "top: who has slots" "$(jq -c '[.devices[0].stats.holders[] | [.zone, .condition]] | sort' top)" \
		'[[4,"closed"],[5,"closed"],[6,"implicit-open"],[7,"explicit-open"]]'
	equal "top: slots" "$(jq -c '.devices[0].stats | [.open, .active, .limits.max_open, .limits.max_active]' top)" '[2,4,2,4]'
	equal "top: write pointers" "$(jq -r '.devices[0].stats.detail.written | to_entries[4:8][] | "\(.key) \(.value)"' top | paste -sd,)" \
		"$(pointers 4 7 | cut -d' ' -f1,2 | paste -sd,)"
	equal "top: heat" "$(jq -c '.devices[0].stats.detail.moved[2:9]' top)" "[$((10 << 20)),$((1 << 20)),$((3 * 65536)),65536,65536,0,0]"
	equal "top: queues" "$(jq '[.devices[0].stats.queues[].in_flight] | add' top)" 0
	zqublkd top --once "$dev" >screen
	grep '^slots: open 2 of 2, active 4 of 4  none left' screen >/dev/null || die "top: $(<screen)"
	grep -E '^  zone 4 +closed +written .* ago, for ' screen >/dev/null || die "top: $(<screen)"
	[ "$(awk '{ print length }' screen | sort -n | tail -1)" -le 80 ] || die "wider than 80 columns: $(<screen)"
	pass "top and errors agree, too"
}

# A killed daemon: the device stands as it stood, the numbers of requests begin anew, counters have
# what was flushed, the trace what had come.
killed() {
	local began
	began=$(of now daemon_start_time_seconds)
	zqublkd trace -o kill.trace "$dev" 2>why &
	local tracer=$!
	eventually 5 test -s kill.trace
	put $((6 * zone + 65536)) 3
	sleep 0.5
	blkzone report "$dev" >stood
	kill -KILL "$(daemon_of "$id")"
	until_ok zqublkd errors "$id"
	! wait $tracer || die "a trace that was cut short ends as a whole one"
	grep 'cut short' why >/dev/null || die "it says $(<why)"
	{ zqublkd trace --json --from kill.trace 2>/dev/null || true; } | jq -s . >traced.json
	equal "trace of the dead" "$(traced '.op == "write"')" 3
	standing
	diff stood report
	equal "requests of the new daemon" "$(of now requests_total '.op == "write"')" 0
	equal "recoveries" "$(of now recoveries_total)" 1
	[ "$(of now metered)" = 1 ] || die "it does not measure any more"
	[ "$(jq -n "$(of now daemon_start_time_seconds) > $began")" = true ] || die "it began when the dead one did"
	put $((6 * zone + 4 * 65536)) 1
	sync "$dev"
	equal "zone 6, without what was not flushed" "$(worn 6)" "0 0 $((2 * 65536)) 0 0"
	equal "zone 4" "$(worn 4)" "0 0 $((3 * 65536)) 0 1"
	standing
	equal "requests of the new daemon" "$(of now requests_total '.op == "write" and .result == "ok"')" 1
	equal "Prometheus knows that they began anew" "$(see ask 'resets(zqublkd_requests_total{op="write",result="ok"}[15m])')" 1
	alerted() { [ "$(see ask 'count(ALERTS{alertname="ZqublkdRecovered"})' 2>/dev/null)" = 1 ]; }
	eventually 30 alerted
	pass "a killed daemon"
}

restarted() {
	zqublkd trace -o upgrade.trace "$dev" &
	local tracer=$!
	eventually 5 test -s upgrade.trace
	zqublkd upgrade "$dev"
	wait $tracer || die "the trace does not end with the daemon that is replaced: exit status $?"
	standing
	equal "after an upgrade" "$(of now requests_total '.op == "write"') $(of now recoveries_total)" "0 1"
	blkzone reset "$dev"
	take now
	equal "reset of all" "$(of now requests_total '.op == "zone-reset-all" and .result == "ok"')" 1
	del
	equal "zone 6" "$(worn 6)" "1 0 $((2 * 65536)) 0 0"
	equal "zone 2, was empty" "$(worn 2)" "1 0 $zone 0 0"
	add disk.qcow2
	take now
	equal "a new device" "$(of now requests_total '.op == "write"') $(of now recoveries_total)" "0 0"
	equal "zone 3" "$(worn 3)" "1 1 $((1 << 20)) 0 0"
	del
	verify_image disk.qcow2
	pass "an upgrade and a restart"
}

# pictures leaves what the documentation shows: of a file system at work.
pictures() {
	mount -t tmpfs none /srv
	zqublkd create -o size=1G,zone.mode=host-managed,zone.size=16M,zone.capacity=12M,zone.conventional_zones=4,zone.max_open_zones=10,zone.max_active_zones=12 /srv/data.qcow2 >/dev/null
	add /srv/data.qcow2 --name data --metrics
	mkfs.btrfs -q -f -O zoned -d single -m single "$dev"
	local k # the last zones, which the file system does not come to, in other conditions
	for k in 3 2 1; do dd if=/dev/zero of="$dev" bs=1M oflag=direct conv=notrunc seek=$(((63 - k) * 16)) count=$((k * 4)) status=none; done
	blkzone close -o $((62 << 15)) -l $((1 << 15)) "$dev"
	blkzone open -o $((63 << 15)) -l $((1 << 15)) "$dev"
	mount -t btrfs "$dev" /mnt
	local begun=$EPOCHSECONDS
	head -c 20M /dev/urandom >/mnt/shown
	sync
	work_on &
	local worker=$!
	sleep $((CAPTURE * 2 / 3))
	zqublkd top --once --interval 5s --json data >/out/top.json
	fsfreeze -f /mnt # both are to see the same
	zqublkd zones --plain --width 80 --file /mnt/shown "$dev" >/out/zones.txt
	zqublkd zones --json --file /mnt/shown "$dev" >/out/zones.json
	fsfreeze -u /mnt
	wait $worker
	grep '^marked (\*): ' /out/zones.txt >/dev/null || die "no zone is marked: $(</out/zones.txt)"
	see graphs /opt/zqublkd/zqublkd.json "$begun" 12s >/out/graphs.json
	equal "panels" "$(jq length /out/graphs.json)" "$(jq '.panels | length' /opt/zqublkd/zqublkd.json)"
	umount /mnt
	del
	pass "pictures"
}

# work_on: files come and go, one is read, and somebody tries to open a full zone.
work_on() {
	local n=0 end=$((SECONDS + CAPTURE))
	fio --name=r --filename=/mnt/shown --rw=randread --bs=16k --direct=1 --ioengine=libaio --iodepth=4 --rate_iops=200 --size=20M \
		--time_based --runtime="$CAPTURE" >/dev/null &
	while ((SECONDS < end || n < 3)); do
		head -c $((3 + n % 4 * 3))M /dev/urandom >/mnt/part.$((n % 12))
		sync
		! blkzone open -f -o $((60 << 15)) -l $((1 << 15)) "$dev" 2>/dev/null || die "a full zone was opened"
		n=$((n + 1))
		sleep $((n % 5))
	done
	wait $!
}

numbers
watching
killed
restarted
pictures
kill $exporter $prometheus
wait $exporter || die "metrics: exit status $?"
wait $prometheus || true
leftovers
pass "done"
