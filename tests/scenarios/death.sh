# SPDX-License-Identifier: Apache-2.0
# Common to the scenarios that kill daemons; sourced after lib.sh.

# daemon: the process that serves the device, empty while there is none.
daemon() { zqublkd list --json | jq -r ".[] | select(.id == $id and .alive) | .pid"; }

# revived OLD: waits until a daemon other than OLD serves.
revived() {
	local pid
	for _ in $(seq 600); do
		pid=$(daemon)
		[ -n "$pid" ] && [ "$pid" != "$1" ] && return
		sleep 0.05
	done
	cat "/run/zqublkd/$id/log" >&2
	die "no new daemon after the death of $1"
}

deaths=0

# death: kills the daemon a moment from now and waits for the next.
death() {
	local old
	sleep "0.$((RANDOM % 7 + 1))"
	old=$(daemon)
	equal "refused requests after $deaths deaths" "$(zqublkd errors "$id")" "" # its successor knows none
	kill -9 "$old"
	revived "$old"
	deaths=$((deaths + 1))
}

# deaths_under N COMMAND...: starts the command again and again, until the
# daemon has died N times; each run of it must end well.
deaths_under() {
	local end=$((deaths + $1)) load
	shift
	while ((deaths < end)); do
		"$@" &
		load=$!
		while ((deaths < end)) && ! gone $load; do death; done
		wait $load || { tell >&2; die "$1 failed after $deaths deaths"; }
		no_io_errors
	done
}

# tell: what there is to know of a failure.
tell() {
	dmesg | tail -20
	tail -20 "/run/zqublkd/$id/log"
	zqublkd errors "$id"
}

# no_io_errors: nobody was told of any error, and nothing was refused. One thing
# btrfs says is no error of the device's: Linux 7.3 fills a zone again that it has
# reset for want of space, while its own work that ends the zone's last life waits.
no_io_errors() {
	local lines
	lines=$(dmesg | grep -E 'I/O error|critical .* error|BTRFS (error|warning|critical)|F2FS-fs.*(rror|orrupt)|EXT4-fs (error|warning)|lost async page write' |
		grep -v 'BTRFS error .*: double scheduling of bg [0-9]* zone finishing' || true)
	equal "errors in the kernel's log after $deaths deaths" "$lines" ""
	equal "refused requests after $deaths deaths" "$(zqublkd errors "$id")" ""
}
