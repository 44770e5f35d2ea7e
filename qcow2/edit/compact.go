// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"errors"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// Compacted is what Compact has done; bytes of the file.
type Compacted struct{ Before, After int64 }

// compactRounds: what a round gives up the next one fills.
const compactRounds = 4

// Compact makes the file as short as its contents let it be: clusters at its end move
// into holes, space that was set aside above write pointers is given back, and so are
// the end of the file and what else of it is free. The disk stays as it is.
func Compact(f storage.File, p Progress) (Compacted, error) {
	size, err := f.Size()
	c := Compacted{size, size}
	for round := uint64(0); err == nil && round < compactRounds; round++ {
		last := c.After
		if err = compact(f, p.of(round, compactRounds)); err == nil {
			c.After, err = f.Size()
		}
		if c.After >= last && round > 0 {
			break
		}
	}
	return c, err
}

func compact(f storage.File, p Progress) error {
	above, err := aboveWritePointers(f)
	if err != nil {
		return err
	}
	e, err := open(f, p)
	if err != nil {
		return err
	}
	if err := e.dropAbove(above); err != nil {
		return err
	}
	used, err := e.used()
	if err != nil {
		return err
	}
	e.refs.below = used
	if err := e.refs.lower(); err != nil {
		return err
	}
	if err := e.refs.each(e.h.L1TableOffset, uint64(e.h.L1Size)*8, e.refs.drop); err != nil {
		return err
	}
	buf := make([]byte, e.g.ClusterSize())
	m := newMap{from: e.l1, owned: true, size: e.h.Size, change: func(s *slot, at uint64) error {
		if above(at, e.g.ClusterSize()) {
			s.entry, s.bitmap = 0, 0
			return nil
		}
		return e.moveDown(s, buf)
	}}
	if err := e.writeMap(m); err != nil {
		return err
	}
	if err := e.commit(); err != nil {
		return err
	}
	return e.punch()
}

// aboveWritePointers tells of a cluster of the disk whether nothing in it can be read:
// it lies above the write pointers of its zones.
func aboveWritePointers(f storage.File) (func(at, n uint64) bool, error) {
	i, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, NoData: true, Lenient: true})
	if err != nil {
		return nil, err
	}
	z := i.Zoned()
	if z == nil || i.Header().BackingFile != "" { // what is below would show
		return func(uint64, uint64) bool { return false }, nil
	}
	wps := make([]uint64, 0, z.Zones)
	err = i.EachZone(func(zone uint32, e format.ZoneEntry) error {
		wps = append(wps, e.WP)
		return nil
	})
	return func(at, n uint64) bool {
		for zone := at / z.ZoneSize; zone*z.ZoneSize < min(at+n, z.VirtualSize); zone++ {
			start := zone * z.ZoneSize
			if uint32(zone) < z.Conventional || min(wps[zone], z.WritableEnd(uint32(zone))) > max(at, start) {
				return false
			}
		}
		return true
	}, err
}

// dropAbove gives up the data of clusters that nobody can read.
func (e *editor) dropAbove(above func(at, n uint64) bool) error {
	return e.referSome(e.l1, func(at uint64) bool { return above(at, e.g.ClusterSize()) }, e.refs.drop)
}

// used is how many clusters the image will have in use.
func (e *editor) used() (n uint64, err error) {
	for b := range uint64(len(e.refs.table)) {
		x, err := e.refs.block(b)
		if x == nil || err != nil {
			if err != nil {
				return 0, err
			}
			continue
		}
		for k := range x.final.Used() {
			if x.final.Get(k) > 0 {
				n++
			}
		}
	}
	return n, nil
}

// moveDown copies a cluster from the end of the file into a hole. One that a snapshot
// has too stays where it is.
func (e *editor) moveDown(s *slot, buf []byte) error {
	old := s.entry.Offset() >> e.g.ClusterBits
	if s.entry.Compressed() || !e.g.Stored(s.entry) || old < e.refs.below {
		return nil
	}
	if n, err := e.refs.final(old); err != nil || n != 1 {
		return err
	}
	c, err := e.refs.hole(1, e.refs.below)
	if err != nil || c == 0 {
		return err
	}
	if err := e.work.on(); err != nil {
		return err
	}
	if err := e.read(buf, old<<e.g.ClusterBits); err != nil {
		return err
	}
	if err := e.write(buf, c<<e.g.ClusterBits); err != nil {
		return err
	}
	s.entry = s.entry&^format.L2Entry(format.OffsetMask) | format.L2Entry(c<<e.g.ClusterBits)
	return e.refs.drop(old)
}

// punch gives back the space of what is free within the file, where the file can.
func (e *editor) punch() error {
	end, err := e.refs.end()
	if err != nil {
		return err
	}
	free := run{}
	for c := uint64(0); c <= end; c++ {
		n := uint64(1)
		if c < end {
			if n, err = e.refs.final(c); err != nil {
				return err
			}
		}
		if n == 0 {
			if free.n == 0 {
				free.first = c
			}
			free.n++
			continue
		}
		if free.n == 0 {
			continue
		}
		err := e.f.PunchHole(int64(free.first<<e.g.ClusterBits), int64(free.n<<e.g.ClusterBits))
		if err != nil {
			if errors.Is(err, storage.ErrNotSupported) {
				return nil
			}
			return err
		}
		free.n = 0
	}
	return nil
}
