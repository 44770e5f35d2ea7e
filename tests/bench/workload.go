// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

// workload is one way to use a device.
type workload struct {
	name  string
	suits func(c *contender) bool
	fio   string // options; "": run does without fio
	run   func(p plan, w workload, c *contender) (measurement, error)

	zoned bool // fio keeps the rules of zones on a zoned device: for what isn't in order of itself
	sync  bool // by pwrite, not io_uring
	jobs  int
	ios   int  // of each job; 0: as many as the time is enough for
	depth int  // of appends
	fresh bool // what is written to is made empty before each run
	half  bool // and then each zone half full
}

// The disk of every contender: the first part is written before the start and
// read, the second is written to, the third is never touched.
const (
	diskSize  = 384 << 20
	zoneSize  = 16 << 20
	readSize  = 128 << 20
	writeAt   = readSize
	writeSize = 128 << 20
	emptyAt   = writeAt + writeSize
	emptySize = diskSize - emptyAt

	// bigZone holds all that is written to.
	bigZone = writeSize
	// spaceAhead is what zqublkd takes at once ahead of a write pointer. Writers
	// use all of it up, so that each run pays for what it writes.
	spaceAhead = 4 << 20
)

var workloads = []workload{
	{name: "rand read 4K qd1", fio: read("4k", 1), suits: any1},
	{name: "rand read 4K qd32", fio: read("4k", 32), suits: any1},
	{name: "rand read 4K qd32, 2 jobs", fio: read("4k", 32), jobs: 2, suits: wide},
	{name: "rand read 128K qd1", fio: read("128k", 1), suits: any1},
	{name: "rand read 128K qd32", fio: read("128k", 32), suits: any1},
	{name: "empty read 4K qd32", fio: fmt.Sprintf("--rw=randread --bs=4k --iodepth=32 --offset=%d --size=%d", emptyAt, emptySize), suits: any1},
	{name: "zone write 4K, 1 zone", fio: writeAll("4k"), ios: zoneSize / 4096, sync: true, fresh: true, suits: any1},
	{name: "zone write 4K, 8 zones", fio: writeEach("4k"), jobs: 8, ios: spaceAhead / 4096, sync: true, fresh: true,
		suits: any1},
	{name: "zone write 128K, 1 zone", fio: writeAll("128k"), ios: writeSize / (128 << 10), sync: true, fresh: true,
		suits: any1},
	{name: "zone write 128K, 8 zones", fio: writeEach("128k"), jobs: 8, ios: zoneSize / (128 << 10), sync: true,
		fresh: true, suits: any1},
	{name: "write 64K + fsync", fio: writeAll("64k") + " --fsync=1", ios: spaceAhead / (64 << 10), sync: true,
		fresh: true, suits: any1},
	{name: "mixed 70/30 4K, 4 zones", fio: "--rw=rw --rwmixread=70 --bs=4k" + eachZone, jobs: 4, ios: spaceAhead / 4096,
		zoned: true, fresh: true, half: true, suits: any1},
	{name: "rand write 4K qd32", fio: fmt.Sprintf("--rw=randwrite --bs=4k --iodepth=32 --offset=0 --size=%d", readSize),
		suits: func(c *contender) bool { return any1(c) && !c.zoned }},
	{name: "rand write 128K qd32", fio: fmt.Sprintf("--rw=randwrite --bs=128k --iodepth=32 --offset=0 --size=%d", readSize),
		suits: func(c *contender) bool { return any1(c) && !c.zoned }},
	{name: "zone append 4K qd1", run: appends, depth: 1, fresh: true, suits: zoned},
	{name: "zone append 4K qd32", run: appends, depth: 32, fresh: true, suits: zoned},
	{name: "reset of full zones", run: resets, suits: func(c *contender) bool { return zoned(c) || c.big }},
}

// What suits whom: most is for disks with one queue and zones of the usual size.
func any1(c *contender) bool  { return !c.wide && !c.big }
func wide(c *contender) bool  { return c.wide }
func zoned(c *contender) bool { return any1(c) && c.zoned }

func read(bs string, depth int) string {
	return fmt.Sprintf("--rw=randread --bs=%s --iodepth=%d --offset=0 --size=%d", bs, depth, readSize)
}

// writeAll is one writer that goes from zone to zone.
func writeAll(bs string) string {
	return fmt.Sprintf("--rw=write --bs=%s --iodepth=1 --offset=%d --size=%d", bs, writeAt, writeSize)
}

// writeEach is one writer for each zone.
func writeEach(bs string) string { return "--rw=write --bs=" + bs + eachZone }

var eachZone = fmt.Sprintf(" --iodepth=1 --offset=%d --size=%d --offset_increment=%d", writeAt, zoneSize, zoneSize)

// args is fio's command line for the device of c.
func (w workload) args(c *contender, p plan) []string {
	engine := "io_uring"
	if w.sync {
		engine = "psync"
	}
	args := []string{"--name=b", "--filename=" + c.dev, "--ioengine=" + engine, "--direct=1", "--group_reporting",
		"--gtod_reduce=0", "--disable_slat=1", "--disable_lat=1", "--disk_util=0",
		"--randrepeat=0", "--norandommap", "--output-format=json", fmt.Sprintf("--numjobs=%d", max(w.jobs, 1))}
	if w.ios > 0 {
		args = append(args, fmt.Sprintf("--number_ios=%d", w.ios))
	} else {
		args = append(args, "--time_based", fmt.Sprintf("--runtime=%dms", p.runtime.Milliseconds()))
	}
	if w.zoned && c.zoned {
		args = append(args, "--zonemode=zbd")
	}
	return append(args, strings.Fields(w.fio)...)
}
