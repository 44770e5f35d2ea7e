// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"encoding/binary"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"zqublkd/qcow2/format"
)

// Packer compresses clusters. It is for one export at a time.
type Packer interface {
	Type() format.CompressionType

	// Pack appends p, packed, to an empty buffer.
	Pack(to *bytes.Buffer, p []byte) error
}

// Packers by the names that qemu-img has for them.
var Packers = map[string]Packer{"zlib": deflater{}, "zstd": zstdPacker{}}

// deflateWindow is that of readers, in bytes: what lies further back they don't have.
const deflateWindow = 4096

type deflater struct{}

func (deflater) Type() format.CompressionType { return format.CompressionZlib }

func (deflater) Pack(to *bytes.Buffer, p []byte) error {
	w, err := flate.NewWriterWindow(to, deflateWindow)
	if err != nil {
		return err
	}
	if _, err := w.Write(p); err != nil {
		return err
	}
	return w.Close()
}

type zstdPacker struct{}

func (zstdPacker) Type() format.CompressionType { return format.CompressionZstd }

func (zstdPacker) Pack(to *bytes.Buffer, p []byte) error {
	w, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true),
		zstd.WithEncoderCRC(false))
	if err != nil {
		return err
	}
	if _, err := w.Write(p); err != nil {
		return err
	}
	return w.Close()
}

// sector is the unit in which an entry says how long packed data is; bytes.
const sector = 512

// storePacked stores clusters one by one, each packed if that makes it smaller. Packed
// ones follow each other closely as long as nothing else comes between.
func (w *plainWriter) storePacked(p []byte, off uint64) error {
	var to bytes.Buffer
	size := w.geo.ClusterSize()
	for ; len(p) > 0; p, off = p[size:], off+size {
		to.Reset()
		if err := w.pack.Pack(&to, p[:size]); err != nil {
			return err
		}
		var err error
		if uint64(to.Len()) >= size {
			err = w.storePlain(p[:size], off)
		} else {
			err = w.append(to.Bytes(), off)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// append stores one packed cluster behind the last.
func (w *plainWriter) append(packed []byte, off uint64) error {
	bits := w.geo.ClusterBits
	if w.stream>>bits+1 != w.next || w.geo.InCluster(w.stream) == 0 ||
		w.references(w.stream>>bits) == format.MaxRefcount(w.geo.RefOrder) {
		w.stream = w.next << bits
	}
	at := w.stream
	sectors := (at+uint64(len(packed))-1)/sector - at/sector
	last := (at - at%sector + (sectors+1)*sector - 1) >> bits
	for c := at >> bits; c <= last; c++ {
		if c < w.next {
			w.count(c)
		}
	}
	w.next = max(w.next, last+1)
	w.stream = at + uint64(len(packed))
	split := 62 - (bits - 8)
	entry := uint64(format.L2Compressed) | sectors<<split | at
	index := off >> bits & (w.geo.L2Entries() - 1)
	binary.BigEndian.PutUint64(w.l2[index*8:], entry)
	_, err := w.f.WriteAt(packed, int64(at))
	return err
}

// count counts one reference more to a cluster that has one.
func (w *plainWriter) count(c uint64) {
	if w.counts == nil {
		w.counts = make(map[uint64]uint64)
	}
	w.counts[c] = w.references(c) + 1
}

// references is the refcount of a cluster in use.
func (w *plainWriter) references(c uint64) uint64 { return max(w.counts[c], 1) }
