// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"zqublkd/ublk"
)

// Bench says how an image is exercised without a device: the engine alone.
type Bench struct {
	Image  string
	Op     ublk.Op // OpRead, OpWrite or OpZoneAppend
	Block  uint32  // bytes of a request
	Queues uint16  // each on a thread of its own; 0: one
	Depth  uint16  // requests of a queue at once
	Count  uint64  // requests in all
	Random bool    // reads, and writes of a plain image, in any order
	Cache  Cache
	Allow  Allow // which names found in the image are followed
	Log    *logrus.Logger
}

// BenchResult is what a bench has cost.
type BenchResult struct {
	Requests uint64        `json:"requests"`
	Bytes    uint64        `json:"bytes"`
	Time     time.Duration `json:"nanoseconds"`
	CPU      time.Duration `json:"cpu_nanoseconds"` // user and system, of the process
	Enters   uint64        `json:"enters"`          // times the kernel was entered for I/O
}

// ErrBench is an image or choice that can't be measured.
var ErrBench = errors.New("can't be measured")

// Run opens the image and sends Count requests. Writes to a zoned image go to
// zones that are empty, to a plain one anywhere.
func (c Bench) Run() (r BenchResult, err error) {
	readOnly := c.Op == ublk.OpRead
	d, err := OpenDisk(c.Image, DiskOptions{ReadOnly: readOnly, Direct: c.Cache == CacheNone, Allow: c.Allow,
		Log: c.Log})
	if err != nil {
		return r, err
	}
	var lanes []*benchLane
	defer func() {
		err = errors.Join(err, d.Close())
		for _, l := range lanes { // no worker uses one any more
			err = errors.Join(err, l.close())
		}
	}()
	if err := Servable(d.img); err != nil { // the engine relies on what is judged there
		return r, fmt.Errorf("%s: %w: %w", c.Image, ErrBench, err)
	}
	c.Queues = max(c.Queues, 1)
	if err := d.Start(int(c.Depth)*int(c.Queues), nil); err != nil {
		return r, err
	}
	target, err := c.target(d)
	if err != nil {
		return r, fmt.Errorf("%s: %w: %w", c.Image, ErrBench, err)
	}
	ublk.EnsureProcs(int(c.Queues))
	r, lanes, err = c.run(d, target)
	return r, err
}

// run drives the queues, each on its own thread. The lanes are to be closed
// after the disk.
func (c Bench) run(d *Disk, target func(queue, n uint64) ublk.IODesc) (r BenchResult, lanes []*benchLane, err error) {
	r = BenchResult{Requests: c.Count, Bytes: c.Count * uint64(c.Block)}
	began, cpu := time.Now(), processTime()
	type done struct {
		lane *benchLane
		err  error
	}
	ended := make(chan done)
	for k := range uint64(c.Queues) {
		go func() {
			// A ring wants one thread for all; it ends with the goroutine.
			runtime.LockOSThread()
			l, err := c.runQueue(d, int(k), (c.Count+k)/uint64(c.Queues),
				func(n uint64) ublk.IODesc { return target(k, n) })
			ended <- done{l, err}
		}()
	}
	for range c.Queues {
		e := <-ended
		err = errors.Join(err, e.err)
		if e.lane != nil {
			r.Enters += e.lane.enters
			lanes = append(lanes, e.lane)
		}
	}
	r.Time, r.CPU = time.Since(began), processTime()-cpu
	return r, lanes, err
}

// runQueue drives one queue on the calling thread. Its lane has ended, but a
// worker may still be about to wake it.
func (c Bench) runQueue(d *Disk, id int, count uint64, target func(n uint64) ublk.IODesc) (*benchLane, error) {
	l, err := newBenchLane(d, id, c.Depth, max(c.Block, 4096))
	if err != nil {
		return nil, err
	}
	err = l.serve(count, target)
	return l, errors.Join(err, l.closeRing())
}

// target is what the n-th request of a queue asks for.
func (c Bench) target(d *Disk) (func(queue, n uint64) ublk.IODesc, error) {
	block := uint64(c.Block)
	request := func(op ublk.Op, off uint64) ublk.IODesc {
		return ublk.NewIODesc(op, 0, off/ublk.SectorBytes, c.Block/ublk.SectorBytes)
	}
	if block == 0 || block%uint64(d.img.LogicalBlockSize()) != 0 || block > MaxSectors*ublk.SectorBytes {
		return nil, fmt.Errorf("blocks of %d bytes: must be a multiple of %d and at most %d", block, d.img.LogicalBlockSize(), MaxSectors*ublk.SectorBytes)
	}
	if d.img.Zoned() != nil && c.Op != ublk.OpRead {
		return c.zoneWriter(d, request)
	}
	if c.Op == ublk.OpZoneAppend {
		return nil, errors.New("appends are for zoned images")
	}
	// Each queue goes through a part of its own, as clients of queues do.
	part := d.geo.Size / block / uint64(c.Queues)
	if part == 0 {
		return nil, fmt.Errorf("the disk is smaller than %d blocks of %d bytes, one for each queue", c.Queues, block)
	}
	return func(queue, n uint64) ublk.IODesc {
		if c.Random {
			n = rand.Uint64N(part)
		}
		return request(c.Op, (queue*part+n%part)*block)
	}, nil
}

// zoneWriter goes through the zones that are empty, one after the other; each
// queue has zones of its own.
func (c Bench) zoneWriter(d *Disk, request func(ublk.Op, uint64) ublk.IODesc) (func(queue, n uint64) ublk.IODesc,
	error) {
	if c.Random {
		return nil, errors.New("zones are written in sequence only")
	}
	var starts []uint64
	for i := d.geo.Conventional; i < d.geo.Zones(); i++ {
		if d.zones.State(i).WP == d.geo.Start(i) {
			starts = append(starts, d.geo.Start(i))
		}
	}
	each := d.geo.ZoneCapacity / uint64(c.Block) // requests that fit into a zone
	queues := uint64(c.Queues)
	if most := uint64(len(starts)) / queues * queues * each; c.Count > most {
		return nil, fmt.Errorf("%d requests of %d bytes: there is room for %d in the zones that are empty", c.Count, c.Block, most)
	}
	return func(queue, n uint64) ublk.IODesc {
		off := starts[n/each*queues+queue]
		if c.Op == ublk.OpWrite {
			off += n % each * uint64(c.Block)
		}
		return request(c.Op, off)
	}, nil
}

// processTime is the processor time that this process has used.
func processTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // can't fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
