# SPDX-License-Identifier: Apache-2.0
# The rules of zones as write(2) and the zone ioctls meet them: which errno, at
# once; what stays as it was; and what `zqublkd errors` says about it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/zones.sh"
load_driver

# misplaced B: writes at wrong places, with blocks of B bytes.
misplaced() {
	zones <<-END
		write 1 4096 $1 EIO               # above the write pointer, in an empty zone
		zone 1 em 0
	END
	explained "write at 8392704, $1 bytes, zone 1 \(empty, write pointer 8388608\): not at the write pointer"
	zones <<-END
		write 1 0 64K                     # the next good write, after that report
		write 1 128K $1 EIO               # above it, with data
		zone 1 oi 64K
		write 1 64K $1
		write 1 0 $1 EIO                  # below it
		zone 1 oi $((65536 + $1))
		write 1 $((65536 + $1)) 64K
		read 1 0 $((131072 + $1)) data    # refused writes left nothing
		read 1 $((131072 + $1)) 4M zeros
		read 1 6M 2M zeros                # above the capacity
		read 2 0 8M zeros                 # an empty zone
	END
	pass "$1: above and below the write pointer"

	zones <<-END
		write 2 6M $1 EIO                 # empty zone, behind the capacity
		zone 2 em 0
		write 2 0 3M
		write 2 3M $((3145728 - $1))
		zone 2 oi $((6291456 - $1))
		write 2 $((6291456 - $1)) 64K EIO # starts right, reaches too far
		zone 2 oi $((6291456 - $1))       # nothing of it counts
	END
	explained "write at .*, 65536 bytes, zone 2 \(.*\): beyond the zone capacity"
	zones <<-END
		write 2 $((6291456 - $1)) $1
		zone 2 fu
		read 2 0 6M data
		read 2 6M 2M zeros
		write 2 0 $1 EIO                  # full
		write 2 6M $1 EIO
		zone 2 fu
		read 2 0 6M data
	END
	pass "$1: beyond the capacity, full"

	zones <<-END
		write 3 0 64K
		finish 3
		zone 3 fu
		write 3 64K $1 EIO
		zone 3 fu
	END
	explained "zone 3 \(full, .*\): zone is full"
	zones <<-END
		read 3 0 64K data
		read 3 64K 7M zeros
		finish 4                          # an empty one
		zone 4 fu
		write 4 0 $1 EIO
		read 4 0 8M zeros
		finish 4                          # again: nothing to do
		reset 4
		zone 4 em 0
		write 4 0 64K
		zone 4 oi 64K
		reset 3
		zone 3 em 0
		read 3 0 8M zeros                 # what was there is gone
		write 3 0 64K
		read 3 0 64K data
	END
	pass "$1: finished and reset zones"

	zones <<-END
		open 5
		zone 5 oe 0
		close 5
		zone 5 em 0                       # empty again, not closed
		close 5                           # closing an empty zone is no error
		open 5
		write 5 0 64K
		zone 5 oe 64K
		close 5
		zone 5 cl 64K
		open 5
		zone 5 oe 64K
		close 5
		write 5 64K 64K
		zone 5 oi 128K
		close 5
		zone 5 cl 128K
		open 2 EIO                        # full
		zone 2 fu
		close 2                           # no error, nothing to close
		zone 2 fu
	END
	pass "$1: open and close"

	zones <<-END
		write 0 4M 64K                    # conventional: anywhere, again
		write 0 0 64K
		write 0 4M 64K
		zone 0 nw
		open 0 EIO
		close 0 EIO
		finish 0 EIO
		reset 0 EIO
		read 0 0 64K data
		read 0 4M 64K data
		read 0 64K 3M zeros
	END
	[[ $kernel = 7.* ]] || explained "conventional zone" # newer kernels know by themselves
	pass "$1: conventional zones"

	zones <<-END
		resetall
		zone 1 em 0
		zone 2 em 0
		zone 5 em 0
		read 1 0 8M zeros
		read 2 0 8M zeros
		zone 0 nw
		read 0 0 64K data
		read 0 4M 64K data
		write 2 0 64K
	END
	pass "$1: reset of all zones leaves the conventional ones"
}

for block in 512 4096; do
	make_disk logical_block_size=$block
	misplaced $block
	del
	verify_image disk.qcow2
done

# Three open, five active.
make_disk zone.max_open_zones=3,zone.max_active_zones=5
zones <<-END
	write 1 0 64K
	write 2 0 64K
	write 3 0 64K
	write 4 0 64K       # closes the one not written for longest
	zone 1 cl 64K
	zone 4 oi 64K
	write 2 64K 64K
	write 5 0 64K
	zone 3 cl 64K
	zone 2 oi 128K
	write 6 0 64K EOVERFLOW
	zone 2 oi           # and nobody was closed for it
	zone 4 oi
	zone 5 oi
	zone 6 em 0
END
explained "write at 50331648, 65536 bytes, zone 6 \(.*\): too many active zones \(5\)"
zones <<-END
	open 6 EOVERFLOW
	finish 1            # makes room
	zone 1 fu
	open 6
	zone 6 oe 0
	zone 4 cl 64K       # not written for longest
	open 2
	open 5
	zone 2 oe 128K
	zone 5 oe 64K
	write 3 64K 64K ETOOMANYREFS   # explicitly open zones are never closed for another
	zone 3 cl 64K
END
explained "write at 25231360, 65536 bytes, zone 3 \(.*\): too many open zones \(3\)"
zones <<-END
	open 4 ETOOMANYREFS
	write 2 128K 64K    # they are open
	write 6 0 64K
	zone 2 oe 192K
	zone 5 oe 64K
	zone 6 oe 64K
	close 6
	write 3 64K 64K
	zone 3 oi 128K
	open 4              # closes 3, which is only implicitly open
	zone 3 cl 128K
	zone 4 oe 64K
	reset 5             # frees an open and an active one
	write 7 0 64K
	zone 7 oi 64K
	write 8 0 64K EOVERFLOW
	write 7 64K 64K
END
pass "open and active limits"
del
add disk.qcow2
zones <<-END
	zone 2 cl 192K
	zone 3 cl 128K
	zone 4 cl 64K
	zone 6 cl 64K
	zone 7 cl 128K
	write 8 0 64K EOVERFLOW   # closed zones are active from the start
	open 2
	open 3
	open 4
	write 6 64K 64K ETOOMANYREFS
	zone 6 cl 64K             # the kernel writes to a zone that failed only after a report
	zone 8 em 0
	reset 7
	reset 4
	write 8 0 64K
	write 6 64K 64K
	zone 8 cl 64K
	read 2 0 192K data
	read 8 0 64K data
END
pass "limits after del and add"
del
verify_image disk.qcow2
leftovers
pass "done"
