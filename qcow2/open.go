// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"

	"zqublkd/internal/groupcommit"
	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// OpenOptions say how an image is opened.
type OpenOptions struct {
	// ReadOnly: nothing is ever written, refcounts aren't looked at.
	ReadOnly bool

	// Lenient opens what would be refused, for looking at it: Obstacles says
	// what is wrong. What can't be read still fails when it is read. With a
	// refusal the image is opened as if ReadOnly were set.
	Lenient bool

	// IgnoreZones takes a zoned image for a plain one: its disk as it is stored,
	// whatever became of its zone table. Only together with ReadOnly.
	IgnoreZones bool

	// Snapshot, if given, is the ID or name of an internal snapshot whose disk is to be
	// read. Only together with ReadOnly.
	Snapshot string

	// Base is the disk of the backing file the header names, Data the external
	// data file. Without them an image that names one is refused: whoever opens
	// it decides whether a name found in an image is followed.
	Base *Base
	Data storage.File

	// NoData opens an image of which only the header and the zone table are wanted: a
	// backing file is not needed. Of the disk nothing can be read, nor may it be written.
	NoData bool

	amend bool // the zone table is going to be replaced, not written to

	// CacheBytes bounds the memory for L2 tables; 0 is DefaultCacheBytes.
	CacheBytes uint64
}

// DefaultCacheBytes of L2 tables map 512 GiB with clusters of 64 KiB.
const DefaultCacheBytes = 64 << 20

const (
	minCachedTables = 4
	l2tableBytes    = 64 // of memory that a table takes besides its entries
)

// Open opens an image in f. What it refuses, it refuses in words: ErrNotQcow2,
// ErrTruncated, ErrCorrupt, ErrDirty, ErrWrapped, ErrUnsupported. Zone geometries
// a kernel can't take are not refused here. Opened for writing, the image is
// settled first (see storage.File; storage.ErrUnsettled if it can't be), its
// autoclear bits are cleared, as the specification demands, and space that a
// crash has leaked is freed.
func Open(f storage.File, o OpenOptions) (*Image, error) {
	if !o.ReadOnly {
		if err := storage.SettleAll(f, o.Data); err != nil {
			return nil, err
		}
	}
	i, err := load(f, o)
	if err != nil {
		return nil, err
	}
	if err := i.Refused(UseRead); err != nil && !o.Lenient {
		return nil, err
	}
	if o.ReadOnly {
		return i, nil
	}
	if i.leftDirty() && !o.Lenient {
		if err := mend(f); err != nil {
			return nil, err
		}
		if i, err = load(f, o); err != nil {
			return nil, err
		}
	}
	if err := i.openWritable(o); err != nil {
		return nil, err
	}
	if o.NoData {
		i.refuse(UseRead, errNoData)
	}
	return i, nil
}

var errNoData = errors.New("the image was opened without its data")

// load reads what every use needs: header, zone table, L1 table.
func load(f storage.File, o OpenOptions) (*Image, error) {
	d, err := newImageFile(f)
	if err != nil {
		return nil, err
	}
	h, err := format.ReadHeader(d.read, d.length.Load())
	if err != nil {
		return nil, err
	}
	i := &Image{header: h, marks: marks{bits: h.Incompatible}, geo: format.GeometryOf(h), size: h.Size, file: d,
		readOnly: true}
	i.landed.L = &i.mu
	i.flushes = groupcommit.New(i.flush)
	i.regions = newRegionMap(i.geo.ClusterBits)
	i.cache.limit = i.cachedTables(o)
	i.judgeHeader(o)
	if err := i.adoptFiles(o); err != nil {
		return nil, err
	}
	i.judgePrivate()
	i.data.way = storage.NewWay(i.data.File, i.grain())
	if err := i.showSnapshot(o); err != nil {
		return nil, err
	}
	if o.ReadOnly && o.IgnoreZones {
		if i.private != nil {
			i.private.Conditions = nil
		}
		return i, i.loadL1()
	}
	if err := i.loadZones(o); err != nil {
		return nil, err
	}
	i.judgeConditions()
	i.judgeCounters()
	i.judgeBase()
	if !o.ReadOnly || o.Lenient {
		if err := i.judgeTableClusters(); err != nil {
			return nil, err
		}
	}
	return i, i.loadL1()
}

// adoptFiles notes where the data of the image and of the layers below is.
func (i *Image) adoptFiles(o OpenOptions) (err error) {
	i.data = i.file
	if i.geo.External && o.Data != nil {
		if i.data, err = newImageFile(o.Data); err != nil {
			return err
		}
	}
	if i.header.BackingFile != "" {
		i.base = o.Base
	}
	i.files = append([]storage.File{i.data.File}, i.base.files()...)
	if len(i.files) > MaxLayers {
		return &format.UnsupportedError{Feature: fmt.Sprintf("a chain of more than %d backing files", MaxLayers-1),
			WayOut: "shorten it with qemu-img rebase"}
	}
	return nil
}

// cachedTables is how many L2 tables are kept in memory. An image opened for
// writing has one for each L1 entry that refers to any; of one that is only read
// all may refer to the same few, and the file can't hold more than that.
func (i *Image) cachedTables(o OpenOptions) int {
	limit := o.CacheBytes
	if limit == 0 {
		limit = DefaultCacheBytes
	}
	n := limit / (i.geo.ClusterSize() + l2tableBytes)
	if o.ReadOnly {
		n = min(n, i.geo.Clusters(i.file.length.Load()))
	}
	return int(max(n, minCachedTables))
}

// judgePrivate reads our own extension.
func (i *Image) judgePrivate() {
	found := format.FindExtensions(i.header.Extensions, format.ExtPrivate)
	if len(found) == 0 {
		return
	}
	if len(found) > 1 {
		i.refuse(UseRead, fmt.Errorf("%d private header extensions: %w", len(found), format.ErrCorrupt))
		return
	}
	p, err := format.ParsePrivate(found[0])
	if err != nil {
		i.refuse(UseRead, err)
		return
	}
	i.private = p
	i.refuse(UseWrite, p.MustUnderstand())
}

// loadL1 judges the L1 table's place before it takes memory for it.
func (i *Image) loadL1() error {
	h := i.header
	need := i.geo.L1Needed(h.Size)
	switch bytes := uint64(h.L1Size) * 8; {
	case bytes > format.MaxL1Bytes:
		return format.Corrupt("header", 36, "says the L1 table has %d entries, above the limit of %d", h.L1Size, format.MaxL1Bytes/8)
	case uint64(h.L1Size) < need:
		return format.Corrupt("header", 36, "says the L1 table has %d entries, too few for a disk of %d bytes", h.L1Size, h.Size)
	case need > 0 && (h.L1TableOffset == 0 || i.geo.InCluster(h.L1TableOffset) != 0):
		return format.Corrupt("header", 40, "puts the L1 table at %#x, which is no cluster of its own", h.L1TableOffset)
	}
	if end, length := h.L1TableOffset+need*8, i.file.length.Load(); end < h.L1TableOffset || end > length {
		return fmt.Errorf("%w: the L1 table at byte %#x lies past its end at %#x", format.ErrTruncated, h.L1TableOffset, length)
	}
	i.l1 = make([]l1slot, need)
	raw := make([]byte, format.L1Piece*8)
	for k := uint64(0); k < need; k += format.L1Piece {
		raw = raw[:min(need-k, format.L1Piece)*8]
		if err := i.readTable("L1 table", raw, h.L1TableOffset+k*8); err != nil {
			return err
		}
		for n := range raw[:len(raw)/8] {
			e := format.L1Entry(binary.BigEndian.Uint64(raw[n*8:]))
			if e.Offset() == 0 && e.Reserved() == 0 {
				e = 0 // the copied flag alone refers to nothing
			}
			i.l1[k+uint64(n)].entry.Store(uint64(e))
		}
	}
	return nil
}

// readTable reads a table that must lie within the file.
func (i *Image) readTable(what string, b []byte, off uint64) error {
	length := i.file.length.Load()
	if off > length || uint64(len(b)) > length-off {
		return fmt.Errorf("%w: the %s at byte %#x lies past its end at %#x", format.ErrTruncated, what, off, length)
	}
	return i.file.read(b, off)
}

// ReadHeader reads the header of an image.
func ReadHeader(f storage.File) (*format.Header, error) {
	d, err := newImageFile(f)
	if err != nil {
		return nil, err
	}
	return format.ReadHeader(d.read, d.length.Load())
}
