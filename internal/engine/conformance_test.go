// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
	"zqublkd/zoned"
	"zqublkd/zoned/zonetest"
)

// TestConformance runs the cases that any zoned device must pass against an
// image that is served to a simulated driver. Memory stands in for the file but
// for once, so that it takes seconds.
func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name   string
		inFile bool
		image  qcow2.CreateOptions
	}{
		{"open and active limit, in a file", true, qcow2.CreateOptions{Size: 13 << 20, LogicalBlockSize: 512, Zone: &qcow2.ZoneOptions{
			Size: 1 << 20, Capacity: 768 << 10, Conventional: 2, MaxOpen: 3, MaxActive: 5}}},
		{"equal limits, appends limited, blocks of 4096", false, qcow2.CreateOptions{Size: 12 << 20, LogicalBlockSize: 4096, ClusterSize: 4096, Zone: &qcow2.ZoneOptions{
			Size: 1 << 20, Conventional: 1, MaxOpen: 4, MaxActive: 4, MaxAppendBytes: 128 << 10}}},
		{"no limits, large zones", false, qcow2.CreateOptions{Size: 28 << 20, LogicalBlockSize: 4096, Zone: &qcow2.ZoneOptions{
			Size: 4 << 20, Capacity: 3 << 20, Conventional: 1}}},
		{"zones smaller than a cluster", false, qcow2.CreateOptions{Size: 4 << 20, LogicalBlockSize: 512, ClusterSize: 1 << 20, Zone: &qcow2.ZoneOptions{
			Size: 256 << 10, Capacity: 192 << 10, Conventional: 1, MaxOpen: 3, MaxActive: 5}}},
		{"open limit, small clusters", false, qcow2.CreateOptions{Size: 4 << 20, LogicalBlockSize: 512, ClusterSize: 512, Zone: &qcow2.ZoneOptions{
			Size: 256 << 10, Capacity: 192 << 10, MaxOpen: 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &served{t: t, block: uint64(c.image.LogicalBlockSize)}
			s.create(c.image, c.inFile)
			s.serve()
			zonetest.Run(t, s)
			missing := zonetest.Missing(s)
			s.sim.close()
			if err := s.check(); err != nil {
				t.Errorf("check of the image: %v", err)
			}
			for _, must := range []string{"appends", "power cycles", "failing writes", "read-only and offline zones"} {
				if slices.Contains(missing, must) {
					t.Errorf("no case with %s ran", must)
				}
			}
		})
	}
}

// served is a zonetest.Target: an image, served.
type served struct {
	t      *testing.T
	path   string           // of the image,
	mem    *storagetest.Mem // or the image
	block  uint64
	sim    *sim
	faulty atomic.Bool // the next write of zone data fails
}

func (s *served) create(o qcow2.CreateOptions, inFile bool) {
	if inFile {
		s.path = newImage(s.t, o)
		return
	}
	s.mem = storagetest.NewMem(nil)
	if o.Zone.Size < o.ClusterSize {
		createSmallZones(s.t, s.mem, o)
	} else if err := qcow2.Create(s.mem, o); err != nil {
		s.t.Fatal(err)
	}
}

func (s *served) serve() {
	if s.mem != nil {
		s.sim = newSimIn(s.t, s.mem, 2, 16)
	} else {
		s.sim = newSim(s.t, s.path, 2, 16)
	}
	for _, q := range s.sim.queues {
		q.q.lane = &faultyLane{q, &s.faulty}
	}
}

// check: the image must be clean.
func (s *served) check() error {
	return s.withFile(func(f storage.File) error {
		r, err := check.Check(f, check.Options{})
		if err == nil && r.ExitCode() != 0 {
			var text strings.Builder
			r.WriteText(&text)
			err = errors.New(text.String())
		}
		return err
	})
}

// withFile calls use with the image's file, which nobody serves.
func (s *served) withFile(use func(storage.File) error) error {
	if s.mem != nil {
		return use(s.mem)
	}
	f, err := storage.Open(s.path, storage.Options{})
	if err != nil {
		return err
	}
	return errors.Join(use(f), f.Close())
}

func (s *served) Geometry() zoned.Geometry { return s.sim.disk.geo }
func (s *served) Limits() zoned.Limits     { return s.sim.disk.zones.Limits() }
func (s *served) Block() uint64            { return s.block }
func (s *served) MaxIO() uint64            { return simMaxIO }

func (s *served) Write(off uint64, p []byte) syscall.Errno { return s.sim.write(off, p) }

func (s *served) Read(off uint64, p []byte) syscall.Errno {
	return s.sim.do(ublk.OpRead, 0, off, uint32(len(p)), p).errno()
}

func (s *served) Append(zone uint64, p []byte) (at uint64, errno syscall.Errno) {
	return s.sim.append(zone, p)
}

func (s *served) Manage(op zoned.Operation, off uint64) syscall.Errno {
	return s.sim.zone(map[zoned.Operation]ublk.Op{zoned.OpOpen: ublk.OpZoneOpen, zoned.OpClose: ublk.OpZoneClose,
		zoned.OpFinish: ublk.OpZoneFinish, zoned.OpReset: ublk.OpZoneReset}[op], off)
}

func (s *served) ResetAll() syscall.Errno { return s.sim.zone(ublk.OpZoneResetAll, 0) }

// Report asks, as the kernel does, for no more zones than there are.
func (s *served) Report(off uint64, n int) ([]zoned.Info, syscall.Errno) {
	g := s.Geometry()
	if off >= g.Size {
		return nil, 0
	}
	data := make([]byte, min(n, int(g.Zones()-g.ZoneOf(off)))*ublk.BlkZoneBytes)
	if a := s.sim.do(ublk.OpReportZones, 0, off, uint32(len(data)/ublk.BlkZoneBytes), data); a.res < 0 {
		return nil, a.errno()
	}
	var infos []zoned.Info
	for ; len(data) > 0; data = data[ublk.BlkZoneBytes:] {
		z, _ := ublk.DecodeBlkZone(data)
		infos = append(infos, zoned.Info{Start: z.Start * ublk.SectorBytes, Length: z.Len * ublk.SectorBytes,
			Capacity: z.Capacity * ublk.SectorBytes, WP: z.WP * ublk.SectorBytes,
			Condition: zoned.Condition(z.Cond), Conventional: z.Type == ublk.ZoneConventional})
	}
	return infos, 0
}

func (s *served) PowerCycle() error { return s.cycle(func() error { return nil }) }

// cycle calls between while nobody serves the image, which must be clean then.
func (s *served) cycle(between func() error) error {
	if err := s.sim.shut(); err != nil {
		return err
	}
	if err := between(); err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return fmt.Errorf("check of the image: %w", err)
	}
	s.serve()
	return nil
}

// SetCondition implements zonetest.Degrader. A zone that is to be empty becomes
// what it was, and is reset.
func (s *served) SetCondition(zone uint32, c zoned.Condition) error {
	run := format.ConditionRun{First: zone, Zones: 1, Condition: format.ZoneCondition(c)}
	if c == zoned.Empty {
		run.Condition = format.ZoneNormal
	}
	err := s.cycle(func() error {
		return s.withFile(func(f storage.File) error {
			img, err := qcow2.Open(f, qcow2.OpenOptions{})
			if err != nil {
				return err
			}
			return errors.Join(img.SetZoneConditions(run), img.Close())
		})
	})
	if err != nil || c != zoned.Empty {
		return err
	}
	if errno := s.Manage(zoned.OpReset, s.Geometry().Start(zone)); errno != 0 {
		return fmt.Errorf("reset of zone %d: %w", zone, errno)
	}
	return nil
}

func (s *served) FailNextWrite() { s.faulty.Store(true) }

// faultyLane fails a write of zone data to the file after its first half.
type faultyLane struct {
	*simQueue
	faulty *atomic.Bool
}

func (l *faultyLane) WriteFromRequest(tag uint16, _, write uint8, at uint32, buf []byte, fd int, off uint64) {
	copy(buf, l.reqs[tag].data[at:])
	l.WriteFile(tag, write, fd, buf, off)
}

func (l *faultyLane) WriteFile(tag uint16, step uint8, fd int, buf []byte, off uint64) {
	if !l.faulty.Swap(false) {
		l.simQueue.WriteFile(tag, step, fd, buf, off)
		return
	}
	l.file(tag, step, buf, func([]byte) (int, error) {
		if _, err := l.q.disk.file.WriteAt(buf[:len(buf)/2], int64(off)); err != nil {
			return 0, err
		}
		return 0, unix.EIO
	})
}
