// SPDX-License-Identifier: Apache-2.0

package blockdev

import "zqublkd/zoned/zonetest"

// difference is a zonetest.Difference of one driver, "" is every driver: the
// kernel's block layer itself. docs/conformance.md lists the same.
type difference struct {
	driver string
	zonetest.Difference
}

// Differences are the cases that a device of the driver is known not to pass.
func Differences(driver string) []zonetest.Difference {
	var all []zonetest.Difference
	for _, x := range differences {
		if x.driver == "" || x.driver == driver {
			all = append(all, x.Difference)
		}
	}
	return all
}

const (
	cut       = "the block layer cuts a request at a zone boundary, and each piece is a good one where it is"
	end       = "the kernel answers for the end of the disk itself, as for any block device"
	endOfRead = "the kernel answers for the end of the disk itself: nothing is read, which is no error to read(2)"
	ioctlSpan = "the kernel checks itself what an ioctl names: whole zones of the disk"
	dirty     = "null_blk fills what it reads above the write pointer with 0xff bytes; we give zeros, as the format demands"
	finishing = "null_blk wants the slots for a finish that a write would want; the zone keeps none, so we want none"
	evicting  = "null_blk makes room by closing a zone only if one more may be active; a closed zone is active already"
	inTurn    = "null_blk closes zones in turn, wherever it has come to; we close the one written longest ago"
	racing    = "null_blk closes a zone for another while it is written, takes it for empty, and then moves its write pointer"
	closing   = "null_blk follows NVMe, where a zone that is not open can't be closed; ZBC, and we, have nothing to do then"
)

func kernel(name, seen, why string) difference {
	return difference{Difference: zonetest.Difference{Case: name, Seen: seen, Why: why}}
}

func nullBlk(name, seen, why string) difference {
	x := kernel(name, seen, why)
	x.driver = "null_blk"
	return x
}

// sometimes is a nullBlk that depends on the cases before.
func sometimes(name, seen, why string) difference {
	x := nullBlk(name, seen, why)
	x.Sometimes = true
	return x
}

// ruins is a nullBlk that can't be run.
func ruins(name, seen, why string) difference {
	x := nullBlk(name, seen, why)
	x.Ruins = true
	return x
}

// Of two for the same case the later one counts.
var differences = []difference{
	kernel("boundary/write-across", "got success, zone", cut),
	kernel("boundary/write-across-behind-the-capacity", "from empty at 0 to implicit-open at", cut),
	kernel("boundary/write-across-conventional", "got success, zone", cut),
	kernel("boundary/read-across", "got success, want EIO", cut),
	kernel("boundary/write-outside-the-disk", "got ENOSPC, want EIO", end),
	kernel("boundary/read-outside-the-disk", "got ENODATA, want EIO", endOfRead),
	kernel("boundary/open-outside-the-disk", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/close-outside-the-disk", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/finish-outside-the-disk", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/reset-outside-the-disk", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/open-beside-the-start", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/close-beside-the-start", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/finish-beside-the-start", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/reset-beside-the-start", "got EINVAL, want EIO", ioctlSpan),

	nullBlk("cell/read/empty", "reads 0xff, want 0x00", dirty),
	nullBlk("boundary/read-across", "reads 0xff, want 0x00", dirty),
	nullBlk("boundary/read-up-to", "reads 0xff, want 0x00", dirty),
	nullBlk("read/above-the-write-pointer-is-zero", "reads 0xff, want 0x00", dirty),
	nullBlk("read/across-the-write-pointer", "reads 0xff, want 0x00", dirty),
	nullBlk("read/empty-zone-is-zero", "reads 0xff, want 0x00", dirty),
	nullBlk("read/behind-the-capacity-is-zero", "reads 0xff, want 0x00", dirty),
	nullBlk("read/whole-zone", "reads 0xff, want 0x00", dirty),
	nullBlk("reset/reads-zeros", "reads 0xff, want 0x00", dirty),

	nullBlk("cell/close/empty", "got EIO, want success", closing),
	nullBlk("cell/close/full", "got EIO, want success", closing),
	nullBlk("close/empty", "got EIO, want success", closing),
	nullBlk("close/full", "got EIO, want success", closing),
	sometimes("parallel/open-and-close-leak-no-slot", "at the same time map[EIO:", closing),

	nullBlk("limits/finish-needs-no-open-slot", "got ETOOMANYREFS, want success", finishing),
	nullBlk("limits/finish-closes-nobody", "from implicit-open at 512 to closed at 512", finishing),
	nullBlk("limits/finish-needs-no-active-slot", "got EOVERFLOW, want success", finishing),

	nullBlk("limits/closed-zone-opens-at-the-active-limit", "got ETOOMANYREFS, want success", evicting),
	nullBlk("limits/closed-zone-is-written-at-the-active-limit", "got ETOOMANYREFS, want success", evicting),

	ruins("parallel/writes-up-to-the-active-limit", "zone 5 is empty with its write pointer at 512", racing),
	ruins("parallel/zones-with-eviction", "zone 5 is empty with its write pointer at 512", racing),

	sometimes("limits/least-recently-written-is-closed", "is implicit-open, want closed", inTurn),
	sometimes("limits/first-written-is-closed-first", "is implicit-open, want closed", inTurn),
	sometimes("limits/order-of-the-zones-does-not-matter", "is implicit-open, want closed", inTurn),
	sometimes("limits/reading-is-not-writing", "is implicit-open, want closed", inTurn),
	sometimes("limits/round-and-round", "is implicit-open, want closed", inTurn),
	sometimes("limits/opened-later-is-never-closed", "is implicit-open, want closed", inTurn),
	sometimes("limits/reset-and-close-leave-the-order", "is implicit-open, want closed", inTurn),
}
