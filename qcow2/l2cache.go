// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"zqublkd/qcow2/format"
)

// l1slot is one L1 entry in memory.
type l1slot struct {
	entry atomic.Uint64 // an L1Entry
	table atomic.Pointer[l2table]
}

// l2table is an L2 table in memory, words in host order. It always equals what
// is in the file but for poisoned entries.
type l2table struct {
	used  atomic.Uint32 // set by readers, cleared by the eviction hand
	step  uint64        // words per entry
	words []uint64
}

func (t *l2table) touch() {
	if t.used.Load() == 0 {
		t.used.Store(1)
	}
}

// mapping is one L2 table entry: with extended L2 entries both its words.
type mapping struct {
	entry  format.L2Entry
	bitmap format.L2Bitmap
}

// mapping reads an entry, the bitmap first: whoever changes both writes the
// entry first, so a bitmap never speaks of a host cluster that isn't there yet.
func (t *l2table) mapping(index uint64) mapping {
	var m mapping
	if t.step == 2 {
		m.bitmap = format.L2Bitmap(atomic.LoadUint64(&t.words[index*2+1]))
	}
	m.entry = format.L2Entry(atomic.LoadUint64(&t.words[index*t.step]))
	return m
}

// set changes an entry: readers that see the new bitmap see the new entry.
func (t *l2table) set(index uint64, m mapping) {
	atomic.StoreUint64(&t.words[index*t.step], uint64(m.entry))
	if t.step == 2 {
		atomic.StoreUint64(&t.words[index*2+1], uint64(m.bitmap))
	}
}

func (m mapping) append(b []byte, words int) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(m.entry))
	if words == 2 {
		b = binary.BigEndian.AppendUint64(b, uint64(m.bitmap))
	}
	return b
}

// l2cache bounds how many L2 tables are in memory. Which one goes is decided by
// a clock hand: readers only ever set a table's used flag.
type l2cache struct {
	mu       sync.Mutex // loading, dropping and writing of tables
	limit    int        // tables
	resident []uint64   // L1 indexes of the tables in memory
	hand     int
}

// Resolve loads the L2 tables that map [off,off+n), as far as the cache holds
// them. It may block on I/O.
func (i *Image) Resolve(off, n uint64) error {
	if err := i.checkRange(off, n); err != nil || n == 0 {
		return err
	}
	if err := i.resolveOwn(off, n); err != nil {
		return err
	}
	return i.base.resolve(off, n)
}

func (i *Image) resolveOwn(off, n uint64) error {
	shift := i.geo.ClusterBits + i.geo.L2Bits
	i.cache.mu.Lock()
	defer i.cache.mu.Unlock()
	for index := off >> shift; index <= (off+n-1)>>shift; index++ {
		if _, err := i.loadTable(index); err != nil {
			return err
		}
	}
	return nil
}

// loadTable returns the L2 table of an L1 index, nil if there is none. The
// caller holds cache.mu.
func (i *Image) loadTable(index uint64) (*l2table, error) {
	slot := &i.l1[index]
	if t := slot.table.Load(); t != nil {
		t.touch()
		return t, nil
	}
	e := format.L1Entry(slot.entry.Load())
	if e == 0 {
		return nil, nil
	}
	if err := i.checkL1Entry(index, e); err != nil {
		return nil, err
	}
	raw := make([]byte, i.geo.ClusterSize())
	if err := i.file.read(raw, e.Offset()); err != nil {
		return nil, err
	}
	t := i.decodeTable(raw, index<<i.geo.L2Bits)
	i.keepTable(index, t)
	return t, nil
}

// keepTable makes a table visible to readers and drops another if there are too
// many. The caller holds cache.mu.
func (i *Image) keepTable(index uint64, t *l2table) {
	c := &i.cache
	t.touch()
	i.l1[index].table.Store(t)
	if len(c.resident) < c.limit {
		c.resident = append(c.resident, index)
		return
	}
	for {
		victim := &i.l1[c.resident[c.hand]]
		old := victim.table.Load()
		if old == nil || old.used.Swap(0) == 0 {
			victim.table.Store(nil)
			c.resident[c.hand] = index
			c.hand = (c.hand + 1) % len(c.resident)
			return
		}
		c.hand = (c.hand + 1) % len(c.resident)
	}
}

// dropTable forgets a table whose file contents are in doubt. The caller holds
// cache.mu. Its place in resident stays and is the next to be reused.
func (i *Image) dropTable(index uint64) { i.l1[index].table.Store(nil) }

func (i *Image) checkL1Entry(index uint64, e format.L1Entry) error {
	return i.checkTableOffset(i.header.L1TableOffset+index*8, e)
}

// checkTableOffset judges the entry at byte at of the file that refers to an L2
// table.
func (i *Image) checkTableOffset(at uint64, e format.L1Entry) error {
	switch {
	case e.Reserved() != 0:
		return format.Corrupt("L1 entry", at, "has reserved bits set (%#x)", uint64(e))
	case i.geo.InCluster(e.Offset()) != 0:
		return format.Corrupt("L1 entry", at, "points into a cluster (%#x)", e.Offset())
	case e.Offset() >= i.file.length.Load():
		return format.Corrupt("L1 entry", at, "points past the end of the file (%#x)", e.Offset())
	}
	return nil
}

// decodeTable decodes the table that maps clusters of the disk from first on.
func (i *Image) decodeTable(raw []byte, first uint64) *l2table {
	t := &l2table{step: uint64(i.geo.EntryWords()), words: make([]uint64, len(raw)/8)}
	for k := range t.words {
		t.words[k] = binary.BigEndian.Uint64(raw[k*8:])
	}
	end := format.RoundUp(i.file.length.Load(), i.geo.ClusterSize())
	i.regions.mu.RLock()
	defer i.regions.mu.RUnlock()
	for k := range uint64(len(t.words)) / t.step {
		if !i.sound(t.mapping(k), first+k, end) {
			t.set(k, mapping{entry: format.L2Poison})
		}
	}
	return t
}

// sound judges an L2 entry as read from a file of end bytes: one that points
// into metadata, past the file, or has unknown bits must never be followed. Data
// in a file of its own is at its offset on the disk, as QEMU demands. The caller
// holds regions.mu.
func (i *Image) sound(m mapping, cluster, end uint64) bool {
	e := m.entry
	if e == 0 && m.bitmap&format.L2AllAllocated == 0 {
		return true
	}
	if e.Compressed() {
		return !i.geo.External
	}
	if e.Reserved() != 0 || e.Zero() && (i.geo.Extended || i.header.Version < 3) {
		return false
	}
	if i.geo.Extended && (!m.bitmap.Sound() || !i.geo.Stored(e) && m.bitmap&format.L2AllAllocated != 0) {
		return false
	}
	if !i.geo.Stored(e) {
		return true
	}
	if i.geo.External {
		return e.Offset() == cluster<<i.geo.ClusterBits
	}
	return i.geo.InCluster(e.Offset()) == 0 && e.Offset() < end &&
		i.regions.kind(e.Offset()>>i.geo.ClusterBits) == format.KindData
}

// mapping is the L2 entry of a cluster, loaded if need be.
func (i *Image) mapping(cluster uint64) (mapping, error) {
	i.cache.mu.Lock()
	defer i.cache.mu.Unlock()
	t, err := i.loadTable(cluster >> i.geo.L2Bits)
	if err != nil || t == nil {
		return mapping{}, err
	}
	return t.mapping(cluster & (i.geo.L2Entries() - 1)), nil
}

// poisonError says which L2 entry is wrong.
func (i *Image) poisonError(cluster uint64) error {
	table := format.L1Entry(i.l1[cluster>>i.geo.L2Bits].entry.Load()).Offset()
	index := cluster & (i.geo.L2Entries() - 1)
	return format.Corrupt("L2 entry", table+index*8*uint64(i.geo.EntryWords()),
		"makes no sense for disk byte %d; run check", cluster<<i.geo.ClusterBits)
}
