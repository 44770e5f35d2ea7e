// SPDX-License-Identifier: Apache-2.0

//go:build vm

package blockdev

import (
	"flag"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zqublkd/internal/blkdev"
	"zqublkd/zoned/zonetest"
)

var (
	node    = flag.String("device", "", "node of the zoned block device; its data is lost")
	cycle   = flag.String("cycle", "", "shell command that stops the device and starts it again")
	degrade = flag.String("degrade", "", "shell command that makes $ZONE $CONDITION while the device is stopped, which it does, too")
	folder  = flag.String("null_blk", "", "folder of the device in configfs, if it is one of null_blk")
	without = flag.String("without", "", "exactly what the device does not have of what cases need: `this; that`")
)

func open(t *testing.T) *Device {
	if *node == "" {
		t.Fatal("-device names the zoned block device to test, in a machine of its own")
	}
	d, err := Open(*node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestDevice runs all cases on a device that nobody else uses.
func TestDevice(t *testing.T) {
	target, driver := targetOf(open(t))
	want := strings.Split(*without, "; ")
	slices.Sort(want)
	if got := zonetest.Missing(target); !slices.Equal(got, want) {
		t.Fatalf("the device has no\n\t%s\nwant it to have no\n\t%s", strings.Join(got, "; "), strings.Join(want, "; "))
	}
	zonetest.Run(t, target, Differences(driver)...)
}

func targetOf(d *Device) (target zonetest.Target, driver string) {
	switch {
	case *folder != "":
		return NullBlk{d, *folder}, "null_blk"
	case *degrade != "":
		return Degraded{Cycled{d, *cycle}, *degrade}, ""
	case *cycle != "":
		return Cycled{d, *cycle}, ""
	}
	return d, ""
}

// TestReportAfterFailure is why Write asks for a report: the kernel refuses
// good writes, too, once one has failed in a zone that it knows.
func TestReportAfterFailure(t *testing.T) {
	d := open(t)
	if e := d.ResetAll(); e != 0 {
		t.Fatalf("reset of all zones: %v", e)
	}
	first := d.geo.Start(d.geo.Conventional)
	p := make([]byte, d.block)
	for k, step := range []struct {
		at   uint64 // block
		want syscall.Errno
		then func()
	}{
		{at: 0}, {at: 1}, // good ones
		{at: 3, want: syscall.EIO}, // misplaced
		{at: 2, want: syscall.EIO, then: func() { blkdev.ReportZones(d.fd, first, 1) }}, // good, but
		{at: 2}, {at: 3},
	} {
		if e := d.pwrite(first+step.at*d.block, p); e != step.want {
			t.Fatalf("write %d, of block %d: got %v, want %v", k, step.at, e, step.want)
		}
		if step.then != nil {
			step.then()
		}
	}
}
