# SPDX-License-Identifier: Apache-2.0
# Common to the scenarios about the rules of zones; sourced after lib.sh.

# zones: does to dev what stdin says, see zones.py.
zones() { python3 -E -S "$(dirname "$0")/zones.py" "$dev"; }

# explained REGEXP: the newest refusal that the daemon knows of matches. What
# the kernel refuses by itself (it knows the write pointers of zones that are
# being written) never reaches the daemon: only cases that do are asked for.
explained() {
	local last
	last=$(zqublkd errors "$id" | tail -1)
	grep -Eq -- "$1" <<<"$last" || die "errors says '$last', not '$1'"
	say "${last#*  }"
}

# make_disk OPTIONS: serves 16 zones of 8 MiB, one of them conventional.
make_disk() {
	zqublkd create --force -o "size=128M,zone.mode=host-managed,zone.size=8M,zone.capacity=6M,zone.conventional_zones=1,$1" disk.qcow2 >/dev/null
	add disk.qcow2
}
