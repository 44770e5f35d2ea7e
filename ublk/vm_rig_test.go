// SPDX-License-Identifier: Apache-2.0

//go:build vm

package ublk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Geometry of the disk most tests serve: 16 zones of 4 MiB, 3 MiB of capacity, one conventional.
const (
	rigZones    = 16
	rigConv     = 1
	rigChunk    = 8192
	rigCapacity = 6144
	rigDepth    = 32
	rigBlock    = 4096
)

type rigOptions struct {
	id            int32
	queues        uint16
	deafToReports bool
	blocking      bool
	pinned        bool
	optional      Features
	wide          bool // 64 zones written to their end, none conventional, no limits: for file systems
}

// rig is a device with its server in this process.
type rig struct {
	c      *Control
	info   DevInfo
	params *Params
	dev    *Device
	disk   *ramDisk
	wg     sync.WaitGroup
	mu     sync.Mutex
	errs   []error
	tids   []int // threads of the queues
	panics atomic.Int32
}

// newRig adds a device and serves it; START_DEV is not issued.
func newRig(c *Control, o rigOptions) (*rig, error) {
	r := &rig{c: c}
	info, err := c.AddDevice(AddOptions{ID: o.id, Queues: o.queues, Depth: rigDepth, MaxIOBytes: 512 << 10,
		Flags: FeatureZoned | FeatureUserCopy, Optional: o.optional})
	if err != nil {
		return nil, err
	}
	r.info = info
	zones, conv, capacity, limits := rigZones, rigConv, uint64(rigCapacity), ZonedParams{MaxOpen: 4, MaxActive: 6}
	if o.wide {
		zones, conv, capacity, limits = 64, 0, rigChunk, ZonedParams{}
	}
	limits.MaxAppendSectors = info.MaxSectors()
	r.params = &Params{LogicalBlockBytes: rigBlock, MaxSectors: info.MaxSectors(), ChunkSectors: rigChunk,
		DevSectors: uint64(zones) * rigChunk, VolatileCache: true, FUA: true, Zoned: &limits}
	if err := c.SetParams(info.ID, r.params); err != nil {
		return nil, errors.Join(err, c.DeleteDevice(info.ID))
	}
	if r.disk, err = newRAMDisk(zones, conv, rigChunk, capacity, int(info.Queues)); err != nil {
		return nil, err
	}
	r.disk.deafToReports = o.deafToReports
	if err := r.open(o); err != nil {
		return nil, errors.Join(err, c.DeleteDevice(info.ID))
	}
	return r, nil
}

// open opens the device and serves its queues.
func (r *rig) open(o rigOptions) (err error) {
	if r.dev, err = OpenDevice(r.info); err != nil {
		return err
	}
	if os.Getenv("GOMAXPROCS") == "" {
		EnsureProcs(int(r.info.Queues))
	}
	for q := range int(r.info.Queues) {
		r.wg.Go(func() { r.serve(q, o) })
	}
	return nil
}

func (r *rig) serve(q int, o rigOptions) {
	var cpus CPUSet
	if o.pinned {
		cpus, _ = r.c.QueueAffinity(r.info.ID, q)
	}
	err := r.dev.Serve(q, QueueOptions{Blocking: o.blocking, CPUs: cpus,
		OnPanic: func(p Panic) { r.panics.Add(1) },
		OnDrop:  func(*Queue, uint16) { r.disk.drops.Add(1) },
	}, r.disk, func(q *Queue) {
		r.mu.Lock()
		r.tids = append(r.tids, q.tid)
		r.mu.Unlock()
	})
	if err != nil {
		r.mu.Lock()
		r.errs = append(r.errs, fmt.Errorf("queue %d: %w", q, err))
		r.mu.Unlock()
	}
}

// start has another process issue START_DEV and sets the scheduler.
func (r *rig) start() error {
	if out, err := starter(r.info.ID, os.Getpid()).CombinedOutput(); err != nil {
		return fmt.Errorf("starter: %w: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := WaitForDisk(ctx, r.info.ID); err != nil {
		return err
	}
	return SetScheduler(ctx, r.info.ID, "none")
}

// end stops and deletes the device and reports whatever went wrong.
func (r *rig) end() error {
	err := r.c.StopDevice(r.info.ID)
	r.dev.Quit()
	r.wg.Wait()
	err = errors.Join(err, r.dev.Close(), r.c.DeleteDevice(r.info.ID), r.disk.mem.Free())
	return errors.Join(append(r.errs, err)...)
}

// started makes a rig for the length of a test.
func started(t *testing.T, o rigOptions) *rig {
	t.Helper()
	c, err := OpenControl()
	must(t, err)
	o.id = -1
	r, err := newRig(c, o)
	must(t, err)
	t.Cleanup(func() {
		within(t, "stop and delete", 3*time.Second, func() {
			if err := r.end(); err != nil {
				t.Error(err)
			}
		})
		must(t, c.Close())
		if _, err := os.Stat(r.info.CharPath()); err == nil {
			t.Errorf("%s is left over", r.info.CharPath())
		}
	})
	must(t, r.start())
	return r
}

// fioWriter is a command that writes to the disk for a while.
func fioWriter(id uint32) *exec.Cmd {
	return exec.Command("fio", "--name=w", "--filename="+BlockPath(id), "--zonemode=zbd", "--direct=1", "--ioengine=io_uring",
		"--rw=write", "--bs=16k", "--iodepth=16", "--offset=4m", "--size=40m", "--time_based", "--runtime=20", "--minimal")
}

// killAndDelete kills a server and expects its device to go quickly.
func killAndDelete(t *testing.T, c *Control, cmd *exec.Cmd, id uint32) {
	t.Helper()
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	within(t, "delete after SIGKILL", 3*time.Second, func() { must(t, c.DeleteDevice(id)) })
	if _, err := os.Stat(CharPath(id)); err == nil {
		t.Errorf("%s is left over", CharPath(id))
	}
}
