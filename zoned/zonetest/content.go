// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
)

// content remembers what every sector of the disk must read: which piece of
// which write, zeros where nothing was written.
type content struct {
	zoneSize uint64 // bytes

	mu    sync.Mutex
	last  uint64   // write
	zones [][]mark // by sector; nil: all zeros
}

// mark is the number of a write, times maxSectors, and of the sector in it. A
// sector that was not written has none.
type mark uint64

const (
	sector     = 512 // bytes
	maxSectors = 1 << 20
	zero       = mark(0)
	unknown    = ^mark(0)
)

func (m mark) String() string {
	if m == zero {
		return "nothing is written there"
	}
	return fmt.Sprintf("it belongs to sector %d of write %d", uint64(m)%maxSectors, uint64(m)/maxSectors)
}

// newContent is a disk that reads zeros, but for its conventional zones.
func newContent(zoneSize uint64, zones, conventional uint32) *content {
	c := &content{zoneSize: zoneSize, zones: make([][]mark, zones)}
	for i := range conventional {
		marks := c.sectors(i)
		for s := range marks {
			marks[s] = unknown
		}
	}
	return c
}

func (c *content) sectors(zone uint32) []mark {
	if c.zones[zone] == nil {
		c.zones[zone] = make([]mark, c.zoneSize/sector)
	}
	return c.zones[zone]
}

// fresh is n bytes that were never written.
func (c *content) fresh(n uint64) (first mark, p []byte) {
	c.mu.Lock()
	c.last++
	first = mark(c.last * maxSectors)
	c.mu.Unlock()
	p = make([]byte, n)
	for at := uint64(0); at < n; at += sector {
		fill(p[at:at+sector], first+mark(at/sector))
	}
	return first, p
}

// fill makes p the data of mark m: noise, for shifted data must not go unseen.
func fill(p []byte, m mark) {
	word := uint64(m)
	for k := 0; k < len(p); k += 8 {
		word = word*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(p[k:], word)
	}
}

// written: n bytes at byte off of the disk are those of the write that begins
// with first.
func (c *content) written(off, n uint64, first mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := uint64(0); at < n; at += sector {
		c.set(off+at, first+mark(at/sector))
	}
}

// torn: nobody knows what n bytes at byte off of the disk read.
func (c *content) torn(off, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := uint64(0); at < n; at += sector {
		c.set(off+at, unknown)
	}
}

func (c *content) set(off uint64, m mark) {
	c.sectors(uint32(off / c.zoneSize))[off%c.zoneSize/sector] = m
}

// erased: the zone reads zeros.
func (c *content) erased(zone uint32) { c.zones[zone] = nil }

// check holds p, read at byte off of the disk, against what must be there.
func (c *content) check(off uint64, p []byte) error {
	want := make([]byte, sector)
	for at := uint64(0); at < uint64(len(p)); at += sector {
		m := c.at(off + at)
		switch m {
		case unknown:
			continue
		case zero:
			clear(want)
		default:
			fill(want, m)
		}
		if err := c.differ(p[at:at+sector], want, off+at); err != nil {
			return fmt.Errorf("%w: %s", err, m)
		}
	}
	return nil
}

func (c *content) at(off uint64) mark {
	if zone := c.zones[off/c.zoneSize]; zone != nil {
		return zone[off%c.zoneSize/sector]
	}
	return zero
}

func (c *content) differ(got, want []byte, off uint64) error {
	if bytes.Equal(got, want) {
		return nil
	}
	for i := range got {
		if got[i] != want[i] {
			at := off + uint64(i)
			return fmt.Errorf("byte %d of zone %d reads %#02x, want %#02x", at%c.zoneSize, at/c.zoneSize, got[i], want[i])
		}
	}
	return nil
}

// run is n bytes from byte off of a zone.
type run struct{ off, n uint64 }

// runs lists what is written in the zone.
func (c *content) runs(zone uint32) []run {
	var all []run
	for k, m := range c.zones[zone] {
		if m == zero || m == unknown {
			continue
		}
		off := uint64(k) * sector
		if last := len(all) - 1; last >= 0 && all[last].off+all[last].n == off {
			all[last].n += sector
		} else {
			all = append(all, run{off, sector})
		}
	}
	return all
}
