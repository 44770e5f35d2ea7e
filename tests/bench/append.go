// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// passthru is struct nvme_passthru_cmd64, include/uapi/linux/nvme_ioctl.h.
type passthru struct {
	opcode, flags       uint8
	_                   uint16
	nsid, cdw2, cdw3    uint32
	metadata, addr      uint64
	metadataLen, length uint32
	cdw10, cdw11, cdw12 uint32
	cdw13, cdw14, cdw15 uint32
	timeout, _          uint32
	result              uint64
}

const (
	nvmeIO64    = 0xc0504e48 // NVME_IOCTL_IO64_CMD
	zoneAppend  = 0x7d
	appendBlock = 4096 // of the namespace, and of an append
)

// appender lets as many threads as the workload is deep append to the zones,
// one zone after the other.
type appender struct {
	target *os.File
	until  time.Time
	next   atomic.Uint64
	stop   atomic.Pointer[error]
}

// appends goes through an NVMe target with the device as its namespace: there
// is no other way to append from user space. The target and the threads are
// the same for everybody and cost as much as a server does, so that ratios are
// nearer to 1 than those of the servers.
func appends(p plan, w workload, c *contender) (m measurement, err error) {
	target, err := attach(c.dev)
	if err != nil {
		return m, err
	}
	defer func() {
		if e := target.detach(); err == nil {
			err = e
		}
	}()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(w.depth + 2)) // a thread in a call keeps its processor
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	before, began := usageOf(c.pid), time.Now()
	a := appender{target: target.file, until: began.Add(p.runtime)}
	times := a.all(w.depth)
	took, used := time.Since(began), usageOf(c.pid).minus(before)
	if e := a.stop.Load(); e != nil {
		return m, *e
	}
	m.KIOPS = float64(len(times)) / took.Seconds() / 1000
	m.P99 = float64(times[len(times)*99/100].Nanoseconds()) / 1000
	m.charge(used, float64(len(times)))
	return m, nil
}

// all returns the latencies of the appends of all threads, sorted.
func (a *appender) all(threads int) (times []time.Duration) {
	var each = make([][]time.Duration, threads)
	var ended sync.WaitGroup
	for i := range each {
		ended.Go(func() { each[i] = a.thread() })
	}
	ended.Wait()
	times = slices.Concat(each...)
	slices.Sort(times)
	return times
}

// thread appends until the time is over or the zones are full.
func (a *appender) thread() []time.Duration {
	runtime.LockOSThread()
	data, err := unix.Mmap(-1, 0, appendBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		a.stop.CompareAndSwap(nil, &err)
		return nil
	}
	defer unix.Munmap(data)
	times := make([]time.Duration, 0, 1<<14)
	for a.stop.Load() == nil {
		n := a.next.Add(1) - 1
		began := time.Now()
		if began.After(a.until) || n >= writeSize/appendBlock {
			break
		}
		// As many appends as a zone holds are sent to it, in whatever order they arrive.
		zone := writeAt + n*appendBlock/zoneSize*zoneSize
		if err := a.append(zone, data); err != nil {
			a.stop.CompareAndSwap(nil, &err)
		}
		times = append(times, time.Since(began))
	}
	return times
}

func (a *appender) append(zone uint64, data []byte) error {
	lba := zone / appendBlock
	c := passthru{opcode: zoneAppend, nsid: 1, addr: uint64(uintptr(unsafe.Pointer(&data[0]))),
		length: uint32(len(data)),
		cdw10:  uint32(lba), cdw11: uint32(lba >> 32), timeout: 30000}
	status, _, e := unix.Syscall(unix.SYS_IOCTL, a.target.Fd(), nvmeIO64, uintptr(unsafe.Pointer(&c)))
	runtime.KeepAlive(data)
	if e != 0 || status != 0 {
		return fmt.Errorf("append to the zone at %d: NVMe status %#x, %w", zone, status, e)
	}
	return nil
}
