package main

import (
	"fmt"
	"strings"
)

// workload is one way to use a device.
type workload struct {
	name string
	fio  string // options
	// zoned: on a zoned device, fio keeps its rules; the others get the same
	// pattern, zoneSize bytes apart.
	zoned bool
	jobs  int
	fresh bool // zones are reset before each run
	empty bool // reads what was never written
	wide  bool // for devices with two queues
}

// The disk of every contender: the first half is written before the start and
// read; the second half is written to; the last eighth is never touched.
const (
	diskSize = 256 << 20
	zoneSize = 16 << 20
	readSize = diskSize / 2
	writeAt  = diskSize / 2
	emptyAt  = diskSize / 8 * 7
)

var workloads = []workload{
	{name: "rand read 4K qd1", fio: read("randread", "4k", 1)},
	{name: "rand read 4K qd32", fio: read("randread", "4k", 32)},
	{name: "rand read 4K qd32, 2 jobs", fio: read("randread", "4k", 32), jobs: 2, wide: true},
	{name: "rand read 128K qd1", fio: read("randread", "128k", 1)},
	{name: "rand read 128K qd32", fio: read("randread", "128k", 32)},
	{name: "empty read 4K qd32", fio: fmt.Sprintf("--rw=randread --bs=4k --iodepth=32 --offset=%d --size=%d", emptyAt, diskSize-emptyAt), empty: true},
	{name: "zone write 4K, 1 zone", fio: write("4k"), jobs: 1, zoned: true, fresh: true},
	{name: "zone write 4K, 8 zones", fio: write("4k"), jobs: 8, zoned: true, fresh: true},
	{name: "zone write 128K, 1 zone", fio: write("128k"), jobs: 1, zoned: true, fresh: true},
	{name: "zone write 128K, 8 zones", fio: write("128k"), jobs: 8, zoned: true, fresh: true},
	{name: "write 64K + fsync", fio: write("64k") + " --fsync=1", jobs: 1, zoned: true, fresh: true},
	{name: "mixed 70/30 4K, 4 zones", fio: fmt.Sprintf("--rw=rw --rwmixread=70 --bs=4k --iodepth=1 --offset=%d --size=%d --offset_increment=%d",
		writeAt, zoneSize, zoneSize), jobs: 4, zoned: true, fresh: true},
	{name: "rand write 4K qd32", fio: fmt.Sprintf("--rw=randwrite --bs=4k --iodepth=32 --offset=0 --size=%d", readSize)},
}

func read(rw, bs string, depth int) string {
	return fmt.Sprintf("--rw=%s --bs=%s --iodepth=%d --offset=0 --size=%d", rw, bs, depth, readSize)
}

// write is one sequential writer for each zone.
func write(bs string) string {
	return fmt.Sprintf("--rw=write --bs=%s --iodepth=1 --offset=%d --size=%d --offset_increment=%d", bs, writeAt, zoneSize, zoneSize)
}

// suits says whether c can run w: random writes are not for zones, and what
// was never written only differs on our own disks and null devices.
func (w workload) suits(c *contender) bool {
	switch {
	case w.wide != c.wide:
		return false
	case strings.HasPrefix(w.name, "rand write"):
		return !c.zoned
	}
	return true
}

// args is fio's command line for the device of c.
func (w workload) args(c *contender, p plan) []string {
	args := []string{"--name=b", "--filename=" + c.dev, "--ioengine=io_uring", "--direct=1", "--time_based", "--group_reporting",
		fmt.Sprintf("--runtime=%dms", p.runtime.Milliseconds()), "--gtod_reduce=0", "--disable_slat=1", "--disable_lat=1", "--disk_util=0",
		"--randrepeat=0", "--norandommap", "--output-format=json", fmt.Sprintf("--numjobs=%d", max(w.jobs, 1))}
	if w.zoned && c.zoned {
		args = append(args, "--zonemode=zbd")
	}
	return append(args, strings.Fields(w.fio)...)
}
