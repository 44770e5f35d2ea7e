// SPDX-License-Identifier: Apache-2.0

//go:build vm

package ublk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func control(t *testing.T) *Control {
	t.Helper()
	c, err := OpenControl()
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

func TestFeaturesOfKernel(t *testing.T) {
	f, err := control(t).Features()
	must(t, err)
	t.Logf("%#x %s", uint64(f), f)
	if !f.Has(FeatureZoned | FeatureUserCopy | FeatureIoctlEncode) {
		t.Errorf("features %s lack ZONED and USER_COPY", f)
	}
}

func TestServeZonedDisk(t *testing.T) {
	for name, o := range map[string]rigOptions{"1 queue": {queues: 1}, "2 queues": {queues: 2}, "2 blocking queues": {queues: 2, blocking: true, pinned: true}} {
		t.Run(name, func(t *testing.T) {
			r := started(t, o)
			checkInfo(t, r, int(o.queues))
			checkSysfs(t, r)
			checkReport(t, r)
			checkData(t, r)
			checkFio(t, r)
			checkNoWorkers(t, r)
		})
	}
}

func checkInfo(t *testing.T, r *rig, queues int) {
	t.Helper()
	info, err := r.c.DeviceInfo(r.info.ID)
	must(t, err)
	t.Log(info)
	if int(info.Queues) != queues || info.State != StateLive || info.ServerPID != int32(os.Getpid()) {
		t.Errorf("device is %s", info)
	}
	if ids, err := ListDevices(); err != nil || !slices.Contains(ids, r.info.ID) {
		t.Errorf("devices listed: %v, %v", ids, err)
	}
	p, err := readParams(r.c, r.info.ID)
	must(t, err)
	want := r.params.defaulted()
	if d := cmp.Diff(&want, p); d != "" {
		t.Errorf("parameters differ (-sent +read):\n%s", d)
	}
	var cpus []int
	for q := range queues {
		set, err := r.c.QueueAffinity(r.info.ID, q)
		must(t, err)
		cpus = append(cpus, set.CPUs()...)
	}
	if len(cpus) != runtime.NumCPU() {
		t.Errorf("queues cover CPUs %v of %d", cpus, runtime.NumCPU())
	}
}

// readParams reads the disk's description back from the driver.
func readParams(c *Control, id uint32) (*Params, error) {
	b := make([]byte, ParamsBytes)
	binary.NativeEndian.PutUint32(b, ParamsBytes)
	if err := c.do(cmdGetParams, ctrlCmd{devID: id, queue: noQueue}, b, c.timeout.quick); err != nil {
		return nil, err
	}
	return decodeParams(b)
}

func checkSysfs(t *testing.T, r *rig) {
	t.Helper()
	for _, a := range [][2]string{
		{"zoned", "host-managed"}, {"nr_zones", itoa(rigZones)}, {"chunk_sectors", itoa(rigChunk)},
		{"max_open_zones", "4"}, {"max_active_zones", "6"}, {"zone_append_max_bytes", itoa(r.info.MaxIOBytes)},
		{"zone_write_granularity", itoa(rigBlock)}, {"logical_block_size", itoa(rigBlock)}, {"physical_block_size", itoa(rigBlock)},
		{"max_hw_sectors_kb", itoa(r.info.MaxIOBytes / 1024)}, {"write_cache", "write back"}, {"fua", "1"}, {"rotational", "0"},
	} {
		attr(t, r.info.ID, a[0], a[1])
	}
	if s, err := activeScheduler(filepath.Join(SysPath(r.info.ID), "queue/scheduler")); err != nil || s != "none" {
		t.Errorf("scheduler is %q (%v)", s, err)
	}
}

func checkReport(t *testing.T, r *rig) {
	t.Helper()
	out := run(t, "blkzone", "report", r.info.BlockPath())
	if n := strings.Count(out, "start:"); n != rigZones {
		t.Errorf("blkzone saw %d zones:\n%s", n, out)
	}
	if n := strings.Count(out, "CONVENTIONAL"); n != rigConv {
		t.Errorf("blkzone saw %d conventional zones:\n%s", n, out)
	}
	if n := strings.Count(out, fmt.Sprintf("cap 0x%06x", rigCapacity)); n != rigZones-rigConv {
		t.Errorf("blkzone saw %d zones of capacity %#x:\n%s", n, rigCapacity, out)
	}
}

// checkData writes, reads and resets an even zone (linked SQEs) and an odd one (goroutines).
func checkData(t *testing.T, r *rig) {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	data := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(data)
	must(t, os.WriteFile(in, data, 0o600))
	for _, zone := range []int{0, 2, 3} {
		block := zone * rigChunk * SectorBytes / rigBlock
		dev := r.info.BlockPath()
		run(t, "dd", "if="+in, "of="+dev, "bs=256k", "oflag=direct,seek_bytes", "conv=notrunc,fsync", "seek="+itoa(block*rigBlock))
		run(t, "dd", "if="+dev, "of="+out, "bs=128k", "iflag=direct,skip_bytes", "count=8", "skip="+itoa(block*rigBlock))
		got, err := os.ReadFile(out)
		must(t, err)
		if !bytes.Equal(got, data) {
			t.Errorf("zone %d: data read back differ", zone)
		}
		if zone == 0 {
			continue
		}
		if z := r.disk.zones[zone]; z.Cond != CondImplicitOpen || z.WP != z.Start+uint64(len(data)/SectorBytes) {
			t.Errorf("zone %d after writing: %+v", zone, z)
		}
		run(t, "blkzone", "reset", "-o", itoa(zone*rigChunk), "-c", "1", dev)
		if z := r.disk.zones[zone]; z.Cond != CondEmpty || z.WP != z.Start {
			t.Errorf("zone %d after reset: %+v", zone, z)
		}
	}
}

func checkFio(t *testing.T, r *rig) {
	t.Helper()
	for _, engine := range []string{"psync", "io_uring"} {
		out := run(t, "fio", "--name=v", "--filename="+r.info.BlockPath(), "--zonemode=zbd", "--direct=1", "--ioengine="+engine,
			"--rw=randwrite", "--bs=4k-64k", "--bsrange=4k-64k", "--blockalign=4k", "--offset="+itoa(rigChunk*SectorBytes), "--size="+itoa(8*rigChunk*SectorBytes),
			"--io_size=12m", "--iodepth=8", "--max_open_zones=4", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--minimal")
		if strings.Contains(out, "verify:") {
			t.Errorf("fio %s: %s", engine, out)
		}
		run(t, "blkzone", "reset", r.info.BlockPath())
	}
	if r.disk.served[OpZoneResetAll].Load() == 0 {
		t.Log("no RESET_ALL was needed")
	}
}

// checkNoWorkers looks for kernel threads that run submissions of the queues: copies must run
// inline.
func checkNoWorkers(t *testing.T, r *rig) {
	t.Helper()
	comms, err := filepath.Glob("/proc/self/task/*/comm")
	must(t, err)
	for _, path := range comms {
		b, err := os.ReadFile(path)
		must(t, err)
		for _, tid := range r.tids {
			if strings.TrimSpace(string(b)) == fmt.Sprintf("iou-wrk-%d", tid) {
				t.Errorf("queue thread %d has a kernel worker", tid)
			}
		}
	}
	if len(r.tids) != int(r.info.Queues) {
		t.Errorf("queue threads %v", r.tids)
	}
}

// readLastZone reads a block of the zone whose reads panic when told to.
func readLastZone(r *rig) (syscall.Errno, []byte) {
	fd, err := unix.Open(r.info.BlockPath(), unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return err.(syscall.Errno), nil
	}
	defer unix.Close(fd)
	mem, err := unix.Mmap(-1, 0, rigBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	if err != nil {
		return err.(syscall.Errno), nil
	}
	defer unix.Munmap(mem)
	if _, err := unix.Pread(fd, mem, (rigZones-1)*rigChunk*SectorBytes); err != nil {
		return err.(syscall.Errno), nil
	}
	return 0, bytes.Clone(mem)
}

func TestPanicIsAnsweredAndServiceGoesOn(t *testing.T) {
	for _, queues := range []int{1, 2} {
		r := started(t, rigOptions{queues: uint16(queues)})
		for where, name := range map[int32]string{panicRequest: "Request", panicDone: "Done", panicWoken: "Woken"} {
			r.disk.panicIn.Store(where)
			before, drops := r.panics.Load(), r.disk.drops.Load()
			for range 2 * rigDepth {
				if e, _ := readLastZone(r); e != syscall.EIO {
					t.Fatalf("panic in %s: client got %v, want EIO", name, e)
				}
			}
			if n := r.panics.Load() - before; n != 2*rigDepth {
				t.Errorf("panic in %s: %d reported, want %d", name, n, 2*rigDepth)
			}
			if n := r.disk.drops.Load() - drops; n != 2*rigDepth {
				t.Errorf("panic in %s: %d drops, want %d", name, n, 2*rigDepth)
			}
			r.disk.panicIn.Store(panicNowhere)
			if e, _ := readLastZone(r); e != 0 {
				t.Fatalf("after panics in %s: %v", name, e)
			}
		}
		checkData(t, r)
	}
}

// usage sums the time on a CPU and the context switches of all threads of a process.
func usage(t *testing.T, pid int) (cpu time.Duration, switches int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	must(t, err)
	for _, dir := range tasks {
		b, err := os.ReadFile(dir + "/schedstat")
		must(t, err)
		var ran, waited, slices int
		_, err = fmt.Sscan(string(b), &ran, &waited, &slices)
		must(t, err)
		cpu += time.Duration(ran)
		switches += slices
	}
	return cpu, switches
}

func TestIdleUsesNoCPU(t *testing.T) {
	c := control(t)
	cmd, id := killable(t, 2, "serve")
	must(t, starter(id, cmd.Process.Pid).Run())
	run(t, "dd", "if="+BlockPath(id), "of=/dev/null", "bs=64k", "count=64", "iflag=direct")
	time.Sleep(time.Second)
	cpu, switches := usage(t, cmd.Process.Pid)
	time.Sleep(3 * time.Second)
	cpu2, switches2 := usage(t, cmd.Process.Pid)
	if cpu == 0 || switches == 0 {
		t.Fatalf("no usage of process %d to be read", cmd.Process.Pid)
	}
	t.Logf("%v of CPU and %d switches in 3 s", cpu2-cpu, switches2-switches)
	if cpu2-cpu > 10*time.Millisecond || switches2-switches > 40 {
		t.Errorf("an idle server used %v of CPU and %d switches in 3 s", cpu2-cpu, switches2-switches)
	}
	killAndDelete(t, c, cmd, id)
}

// TestInterrupts has the collector stop the world again and again, which sends SIGURG to threads in
// raw waits.
func TestInterrupts(t *testing.T) {
	r := started(t, rigOptions{queues: 2})
	stop := make(chan struct{})
	ended := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				ended <- n
				return
			default:
				runtime.GC()
				n++
			}
		}
	}()
	checkFio(t, r)
	checkData(t, r)
	close(stop)
	t.Logf("%d collections", <-ended)
}

func TestCyclesLeaveNothing(t *testing.T) {
	c := control(t)
	state := func() (fds, maps int) {
		entries, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		b, err := os.ReadFile("/proc/self/maps")
		must(t, err)
		return len(entries), bytes.Count(b, []byte("\n"))
	}
	var fds, maps int
	begin := time.Now()
	for i := range 100 {
		r, err := newRig(c, rigOptions{id: -1, queues: uint16(1 + i%2)})
		must(t, err)
		if i%4 == 0 {
			must(t, r.start())
		}
		must(t, r.end())
		if i == 10 {
			fds, maps = state()
		}
	}
	t.Logf("100 cycles in %v", time.Since(begin))
	fds2, maps2 := state()
	if fds2 > fds || maps2 > maps+8 {
		t.Errorf("descriptors %d -> %d, mappings %d -> %d", fds, fds2, maps, maps2)
	}
	left, err := filepath.Glob("/dev/ublk[bc]*")
	must(t, err)
	ids, err := ListDevices()
	must(t, err)
	if len(left)+len(ids) > 0 {
		t.Errorf("left over: %v %v", left, ids)
	}
}

func TestDeadline(t *testing.T) {
	c := control(t)
	c.timeout = deadlines{quick: time.Second, start: 300 * time.Millisecond, stop: time.Second, del: 5 * time.Second}
	info, err := c.AddDevice(AddOptions{ID: -1, Queues: 1, Depth: 1, MaxIOBytes: 1 << 20, Flags: FeatureZoned | FeatureUserCopy})
	must(t, err)
	must(t, c.SetParams(info.ID, &Params{LogicalBlockBytes: 512, MaxSectors: 1024, ChunkSectors: 8192, DevSectors: 8192 * 4, Zoned: &ZonedParams{MaxAppendSectors: 8}}))
	err = c.StartDevice(info.ID, os.Getpid()) // nobody fetches: it would wait for ever
	var ce *CommandError
	if !errors.Is(err, ErrTimeout) || !errors.As(err, &ce) || ce.Stuck {
		t.Errorf("start without a server: %v", err)
	}
	t.Log(err)
	must(t, c.DeleteDevice(info.ID))
	if _, err := c.DeviceInfo(info.ID); !IsNoDevice(err) {
		t.Errorf("deleted device: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	c := control(t)
	info, err := c.AddDevice(AddOptions{ID: 7, Queues: 1, Depth: 1, MaxIOBytes: 1 << 20, Flags: FeatureZoned | FeatureUserCopy})
	must(t, err)
	_, err = c.AddDevice(AddOptions{ID: 7, Queues: 1, Depth: 1, MaxIOBytes: 1 << 20, Flags: FeatureUserCopy})
	if !errors.Is(err, syscall.EEXIST) {
		t.Errorf("same number twice: %v", err)
	}
	var missing *MissingFeaturesError
	_, err = c.AddDevice(AddOptions{ID: 8, Queues: 1, Depth: 1, MaxIOBytes: 1 << 20, Flags: FeatureUserCopy | 1<<50})
	if !errors.As(err, &missing) || missing.Missing != 1<<50 {
		t.Errorf("unknown feature: %v", err)
	}
	if _, err := c.DeviceInfo(8); !IsNoDevice(err) {
		t.Errorf("device of refused features: %v", err)
	}
	if err := c.StartDevice(7, os.Getpid()); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("start without parameters: %v", err)
	}
	d, err := OpenDevice(info)
	must(t, err)
	if _, err := OpenDevice(info); !errors.Is(err, ErrServed) {
		t.Errorf("second open: %v", err)
	}
	done := make(chan error)
	runtime.LockOSThread()
	q, err := d.NewQueue(0, QueueOptions{})
	must(t, err)
	go func() {
		runtime.LockOSThread()
		done <- q.Run(nil)
	}()
	if err := <-done; err != ErrWrongThread {
		t.Errorf("Run on another thread: %v", err)
	}
	must(t, q.Close())
	runtime.UnlockOSThread()
	must(t, d.Close())
	must(t, c.DeleteDeviceAsync(7))
}
