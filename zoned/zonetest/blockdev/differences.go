package blockdev

import (
	"strings"

	"zqublkd/zoned/zonetest"
)

// difference is a zonetest.Difference and where it is seen.
type difference struct {
	driver string // "" is every driver: the kernel's block layer itself
	kernel string // release it begins with, "" is all
	zonetest.Difference
}

// Differences are the cases that a device of the driver is known not to pass
// on a kernel.
func Differences(driver, release string) []zonetest.Difference {
	var all []zonetest.Difference
	for _, x := range differences {
		if (x.driver == "" || x.driver == driver) && strings.HasPrefix(release, x.kernel) {
			all = append(all, x.Difference)
		}
	}
	return all
}

const (
	cut       = "the block layer cuts a request at a zone boundary, and each piece is a good one where it is"
	end       = "the kernel answers for the end of the disk itself, as for any block device"
	ioctlSpan = "the kernel checks itself what an ioctl names: whole zones of the disk"
)

func kernel(name, seen, why string) difference {
	return difference{Difference: zonetest.Difference{Case: name, Seen: seen, Why: why}}
}

func nullBlk(name, seen, why string) difference {
	x := kernel(name, seen, why)
	x.driver = "null_blk"
	return x
}

var differences = []difference{
	kernel("boundary/write-across", "got success, ", cut),
	kernel("boundary/write-across-behind-the-capacity", "from empty at 0 to implicit-open at", cut),
	kernel("boundary/write-across-conventional", "got success, ", cut),
	kernel("boundary/read-across", "got success, want EIO", cut),
	kernel("boundary/write-outside-the-disk", "got ENOSPC, want EIO", end),
	kernel("boundary/read-outside-the-disk", "got ENODATA, want EIO", end),
	kernel("boundary/open-outside-the-disk", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/close-outside-the-disk", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/finish-outside-the-disk", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/reset-outside-the-disk", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/open-beside-the-start", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/close-beside-the-start", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/finish-beside-the-start", "got EINVAL, want EIO", ioctlSpan),
	kernel("boundary/reset-beside-the-start", "got EINVAL, want EIO", ioctlSpan),
}
