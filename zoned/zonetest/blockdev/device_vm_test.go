//go:build vm

package blockdev

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/zoned/zonetest"
)

var (
	node    = flag.String("device", "", "node of the zoned block device; its data is lost")
	cycle   = flag.String("cycle", "", "command that stops the device and starts it again")
	degrade = flag.String("degrade", "", "command that makes a zone read-only or offline, see Hooks")
	driver  = flag.String("driver", "", "whose known differences count: null_blk, or nobody's but the kernel's")
	without = flag.String("without", "", "cases that can't run, as `need; need`, exactly")
)

// TestDevice runs all cases on a device that nobody else uses.
func TestDevice(t *testing.T) {
	if *node == "" {
		t.Fatal("-device names the zoned block device to test, in a machine of its own")
	}
	d, err := Open(*node)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	target := Hooks{Cycle: *cycle, Degrade: *degrade}.Target(d)
	zonetest.Run(t, target, Differences(*driver, release(t))...)
	want := strings.Split(*without, "; ")
	slices.Sort(want)
	if got := zonetest.Missing(target); !slices.Equal(got, want) {
		t.Errorf("no case ran that needs\n\t%s\nwant that of\n\t%s", strings.Join(got, "; "), strings.Join(want, "; "))
	}
}

// release is the kernel's, as "6.12.117".
func release(t *testing.T) string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	return unix.ByteSliceToString(u.Release[:])
}
