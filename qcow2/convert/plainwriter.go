// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"encoding/binary"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// plainWriter writes a plain image in one pass over the disk: header and L1
// table first, then each L2 table followed by its data, then the refcounts.
// Every cluster is used once and none is given back, so all that is to be
// remembered is where the file ends.
type plainWriter struct {
	f     storage.File
	geo   format.Geometry
	size  uint64   // of the disk, in bytes
	block uint32   // logical block size to be recorded, bytes; 0 or the default: none
	next  uint64   // first cluster of the file not used yet
	l1    []uint64 // as they will be stored

	pack   Packer            // nil: clusters are stored as they are
	stream uint64            // byte of the file where the next packed cluster may begin; 0: on a cluster of its own
	counts map[uint64]uint64 // references of clusters that are not 1

	l2      []byte // the table being filled
	l2Index uint64 // its place in l1
	l2Off   uint64 // its byte offset in the file; 0: none yet
}

func newPlainWriter(f storage.File, size, clusterSize uint64) (*plainWriter, error) {
	o := qcow2.CreateOptions{Size: max(size, 512), ClusterSize: clusterSize, LogicalBlockSize: 512}.WithDefaults()
	o.Size = format.RoundUp(o.Size, 512)
	if err := o.Validate(); err != nil {
		return nil, err
	}
	w := &plainWriter{f: f, geo: o.Geometry(), size: size}
	w.l1 = make([]uint64, w.geo.L1Needed(size))
	w.l2 = make([]byte, clusterSize)
	w.next = 1 + w.geo.Clusters(uint64(len(w.l1))*8)
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	_, err := f.WriteAt(make([]byte, clusterSize), 0) // a block device keeps its bytes
	return w, err
}

// put stores whole clusters of the disk, but for those of zeros. Calls come in
// the order of the disk.
func (w *plainWriter) put(p []byte, off uint64) error {
	size := w.geo.ClusterSize()
	for len(p) > 0 {
		n := uint64(0)
		for n < uint64(len(p)) && !format.IsZero(p[n:n+size]) && (n == 0 || !w.startsTable(off+n)) {
			n += size
		}
		if n > 0 {
			if err := w.store(p[:n], off); err != nil {
				return err
			}
		} else {
			n = size
		}
		p, off = p[n:], off+n
	}
	return nil
}

func (w *plainWriter) startsTable(off uint64) bool { return off&(w.geo.L2Coverage()-1) == 0 }

// store appends clusters that one L2 table maps.
func (w *plainWriter) store(p []byte, off uint64) error {
	if err := w.openTable(off >> (w.geo.ClusterBits + w.geo.L2Bits)); err != nil {
		return err
	}
	if w.pack != nil {
		return w.storePacked(p, off)
	}
	return w.storePlain(p, off)
}

func (w *plainWriter) storePlain(p []byte, off uint64) error {
	host := w.next << w.geo.ClusterBits
	if _, err := w.f.WriteAt(p, int64(host)); err != nil {
		return err
	}
	first := off >> w.geo.ClusterBits & (w.geo.L2Entries() - 1)
	for k := range uint64(len(p)) >> w.geo.ClusterBits {
		entry := format.NewL2Entry(host + k<<w.geo.ClusterBits)
		binary.BigEndian.PutUint64(w.l2[(first+k)*8:], uint64(entry))
		w.next++
	}
	return nil
}

// openTable makes the L2 table of an L1 entry the one being filled.
func (w *plainWriter) openTable(index uint64) error {
	if w.l2Off != 0 && w.l2Index == index {
		return nil
	}
	if err := w.closeTable(); err != nil {
		return err
	}
	w.l2Index, w.l2Off = index, w.next<<w.geo.ClusterBits
	w.l1[index] = uint64(format.NewL1Entry(w.l2Off))
	w.next++
	return nil
}

func (w *plainWriter) closeTable() error {
	if w.l2Off == 0 {
		return nil
	}
	_, err := w.f.WriteAt(w.l2, int64(w.l2Off))
	clear(w.l2)
	w.l2Off = 0
	return err
}

// finish writes what describes the data, and the header once all else is
// durable.
func (w *plainWriter) finish() error {
	if err := w.closeTable(); err != nil {
		return err
	}
	if err := w.writeWords(w.l1, w.geo.ClusterSize()); err != nil {
		return err
	}
	header, err := w.writeRefcounts()
	if err != nil {
		return err
	}
	if err := w.f.Datasync(); err != nil {
		return err
	}
	b, err := header.Encode()
	if err != nil {
		return err
	}
	if _, err := w.f.WriteAt(b, 0); err != nil {
		return err
	}
	return w.f.Datasync()
}

// writeWords writes a table, filled up with zeros to whole clusters.
func (w *plainWriter) writeWords(words []uint64, off uint64) error {
	b := make([]byte, format.RoundUp(uint64(len(words))*8, w.geo.ClusterSize()))
	for k, word := range words {
		binary.BigEndian.PutUint64(b[k*8:], word)
	}
	_, err := w.f.WriteAt(b, int64(off))
	return err
}

// writeRefcounts counts every cluster of the file once, the refcount
// structures included, and returns the header that goes with them.
func (w *plainWriter) writeRefcounts() (*format.Header, error) {
	table, blocks := w.planRefcounts()
	if table<<w.geo.ClusterBits > format.MaxRefTableBytes {
		return nil, &format.OptionError{Option: "cluster_size", Value: w.geo.ClusterSize(), Rule: "too small to count the clusters of so much data; use a larger one"}
	}
	tableOff := w.next << w.geo.ClusterBits
	end := w.next + table + blocks
	words := make([]uint64, blocks)
	b := format.RefcountBlock{Order: w.geo.RefOrder, Data: make([]byte, w.geo.ClusterSize())}
	for k := range blocks {
		clear(b.Data)
		for i := uint64(0); i < b.Len() && k<<w.geo.RefBlockBits+i < end; i++ {
			b.Set(i, w.references(k<<w.geo.RefBlockBits+i))
		}
		words[k] = (w.next + table + k) << w.geo.ClusterBits
		if _, err := w.f.WriteAt(b.Data, int64(words[k])); err != nil {
			return nil, err
		}
	}
	return w.header(tableOff, table), w.writeWords(words, tableOff)
}

// planRefcounts finds out how many clusters table and blocks take.
func (w *plainWriter) planRefcounts() (table, blocks uint64) {
	for blocks = 1; ; blocks++ {
		table = w.geo.Clusters(blocks * 8)
		if blocks<<w.geo.RefBlockBits >= w.next+table+blocks {
			return table, blocks
		}
	}
}

func (w *plainWriter) header(refTable, clusters uint64) *format.Header {
	h := &format.Header{
		Version:               3,
		ClusterBits:           uint32(w.geo.ClusterBits),
		Size:                  w.size,
		L1Size:                uint32(len(w.l1)),
		L1TableOffset:         w.geo.ClusterSize(),
		RefcountTableOffset:   refTable,
		RefcountTableClusters: uint32(clusters),
		RefcountOrder:         uint32(w.geo.RefOrder),
	}
	if w.pack != nil && w.pack.Type() != format.CompressionZlib {
		h.Compression = w.pack.Type()
		h.Incompatible |= format.IncompatCompression
	}
	if w.geo.ClusterSize() > 4096 {
		h.Extensions = []format.Extension{{Type: format.ExtFeatureNames,
			Data: format.EncodeFeatureNames(format.FeatureNames)}}
	}
	if w.block != 0 && w.block != format.DefaultLogicalBlockSize {
		private := format.PrivateExtension{LogicalBlockSize: w.block}
		h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtPrivate, Data: private.Encode()})
	}
	return h
}
