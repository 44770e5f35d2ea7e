// SPDX-License-Identifier: Apache-2.0

package powercut

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// sector is what a disk writes whole or not at all, in bytes.
const sector = 512

// Disk is a disk with a volatile write cache, in memory.
type Disk struct {
	mu      sync.Mutex
	durable []byte           // what a cut leaves, without luck
	current []byte           // what is read
	pending []write          // in the cache, oldest first
	passed  map[int64]uint64 // sectors written through the cache, and when
	clock   uint64           // counts writes
	cut     bool

	Writes, Flushes, FUAs int // requests so far
}

// write is one in the cache.
type write struct {
	off  int64
	data []byte
	at   uint64
}

// NewDisk makes a disk of zeros.
func NewDisk(bytes int64) *Disk {
	return &Disk{durable: make([]byte, bytes), current: make([]byte, bytes), passed: map[int64]uint64{}}
}

// Size is in bytes.
func (d *Disk) Size() int64 { return int64(len(d.current)) }

// errOff is what everybody gets from a disk without power.
var errOff = fmt.Errorf("the disk has no power")

func (d *Disk) check(off int64, n int) error {
	if d.cut {
		return errOff
	}
	if off < 0 || off%sector != 0 || n%sector != 0 || off > d.Size()-int64(n) {
		return fmt.Errorf("%d bytes at %d of %d", n, off, d.Size())
	}
	return nil
}

// ReadAt reads what was written last, cached or not.
func (d *Disk) ReadAt(p []byte, off int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(off, len(p)); err != nil {
		return err
	}
	copy(p, d.current[off:])
	return nil
}

// WriteAt writes into the cache or, with fua, through it. It keeps data.
func (d *Disk) WriteAt(data []byte, off int64, fua bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(off, len(data)); err != nil {
		return err
	}
	d.clock++
	d.Writes++
	copy(d.current[off:], data)
	if !fua {
		d.pending = append(d.pending, write{off, data, d.clock})
		return nil
	}
	d.FUAs++
	copy(d.durable[off:], data)
	for s := off; s < off+int64(len(data)); s += sector {
		d.passed[s] = d.clock
	}
	return nil
}

// Flush empties the cache onto the disk.
func (d *Disk) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return errOff
	}
	d.Flushes++
	for _, w := range d.pending {
		d.land(w, func(int64) bool { return true })
	}
	d.pending = nil
	clear(d.passed)
	return nil
}

// land writes the sectors of w that keep chooses, unless a later write has gone
// through the cache.
func (d *Disk) land(w write, keep func(off int64) bool) {
	for s := w.off; s < w.off+int64(len(w.data)); s += sector {
		if keep(s) && d.passed[s] < w.at {
			copy(d.durable[s:s+sector], w.data[s-w.off:])
		}
	}
}

// Cut takes the power away: a part of the cache that rand chooses has landed,
// some writes in part. Requests fail until On. It says what became of the cache.
func (d *Disk) Cut(r *rand.Rand) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
	var whole, torn, lost int
	for _, w := range d.pending {
		switch r.IntN(3) {
		case 0:
			lost++
		case 1:
			whole++
			d.land(w, func(int64) bool { return true })
		case 2:
			torn++
			d.land(w, func(int64) bool { return r.IntN(2) == 0 })
		}
	}
	d.pending = nil
	clear(d.passed)
	return fmt.Sprintf("of %d cached writes %d landed, %d were torn, %d lost", whole+torn+lost, whole, torn, lost)
}

// On gives the power back: the disk holds what has landed.
func (d *Disk) On() {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.current, d.durable)
	d.cut = false
}
