# SPDX-License-Identifier: Apache-2.0
# Zones that are read-only and offline: made so by zqublkd while nobody serves
# the image, reported by the kernel, refused by write(2) and the zone ioctls at
# once, and what they were when they become normal again.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/zones.sh"
load_driver

set_zones() { zqublkd zone set disk.qcow2 --zone "$1" --condition "$2"; }

# conditions: those of the report on stdin, by blkzone's names.
conditions() { grep -o 'zcond:[^[]*'; }

for block in 512 4096; do
	# 16 zones of 8 MiB, one of them conventional; three open, five active.
	make_disk logical_block_size=$block,zone.max_open_zones=3,zone.max_active_zones=5
	zones <<-END
		write 1 0 64K
		write 2 0 64K
		write 3 0 64K
		write 4 0 64K
		finish 5
		write 6 0 64K
		write 8 0 64K EOVERFLOW
	END
	set_zones 1 offline # in use
	zones <<-END
		zone 1 of
		read 1 0 64K EIO
	END
	set_zones 1 normal
	zones <<-END
		zone 1 cl 64K
		read 1 0 64K data
	END
	del
	refused 2 "zone=0: conventional zones" set_zones 0 offline
	refused 2 "zone=16: the image has zones 0 to 15" set_zones 16 offline
	refused 2 "becomes full on a served device only" set_zones 1 full
	set_zones 1,5,7 read-only
	set_zones 2,9-10 offline
	add disk.qcow2
	equal "conditions" "$(blkzone report "$dev" | conditions)" "$(zqublkd report -U disk.qcow2 | conditions)"
	equal "read-only zones" "$(blkzone report "$dev" | grep -c 'zcond:13(ro)')" 3
	equal "offline zones" "$(blkzone report "$dev" | grep -c 'zcond:15(of)')" 3
	pass "$block: reported by the kernel as the image has them"

	zones <<-END
		zone 1 ro
		read 1 0 64K data
		read 1 64K 4M zeros
		write 1 64K $block EIO       # at its write pointer
	END
	explained "write at 8454144, $block bytes, zone 1 \(read-only, .*\): zone is read-only"
	zones <<-END
		zone 1 ro                    # a report; then good writes go on
		write 3 64K $block
		write 1 0 $block EIO
		open 1 EIO
		close 1 EIO
		finish 1 EIO
		reset 1 EIO
		zone 1 ro
		read 1 0 64K data
		zone 5 ro
		write 5 0 $block EIO         # was full
		reset 5 EIO
		write 7 0 $block EIO         # was empty
		read 7 0 64K zeros
	END
	pass "$block: read-only zones can be read"

	zones <<-END
		zone 2 of
		read 2 0 $block EIO
		read 2 4M 64K EIO            # nothing was there
	END
	explained "read at .*, zone 2 \(offline, .*\): zone is offline"
	zones <<-END
		write 2 64K $block EIO
	END
	explained "write at 16842752, $block bytes, zone 2 \(offline, .*\): zone is offline"
	zones <<-END
		zone 2 of
		write 4 64K 64K              # a good one, after a report
		write 2 0 $block EIO
		open 2 EIO
		close 2 EIO
		finish 2 EIO
		reset 2 EIO
		read 9 0 64K EIO
		write 9 0 64K EIO
		zone 9 of
	END
	pass "$block: offline zones can't be read"

	zones <<-END
		zone 8 em                    # two of five are active no more
		write 8 0 64K
		write 11 0 64K
		write 12 0 64K EOVERFLOW
		resetall
		zone 1 ro
		zone 2 of
		zone 3 em 0
		read 1 0 64K data
		write 3 0 64K
	END
	pass "$block: they hold no slots, and a reset of all zones leaves them"
	del
	verify_image disk.qcow2
	zqublkd export --force disk.qcow2 export.qcow2 2>said
	equal "note of the export" "$(<said)" "zqublkd: note: offline zones are zeros in the export: 2, 9-10"

	set_zones 1-15 normal
	add disk.qcow2
	zones <<-END
		zone 1 cl 64K
		zone 2 cl 64K
		zone 5 fu
		zone 7 em 0
		zone 9 em 0
		read 1 0 64K data
		read 2 0 64K data            # it was there all the time
		write 2 64K 64K
		reset 5
		write 5 0 64K
		write 9 0 64K
	END
	del
	verify_image disk.qcow2
	pass "$block: normal again"
done
leftovers
pass "done"
