// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"zqublkd/qcow2/format"
)

// zstdWindow bounds what a frame may ask for; frames of one cluster need less.
const zstdWindow = 8 << 20

// unpackedCluster is the compressed cluster read last: reads smaller than it
// come in rows.
type unpackedCluster struct {
	mu    sync.Mutex
	entry format.L2Entry
	data  []byte // nil: none
}

// forget must be called before clusters are reused.
func (u *unpackedCluster) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.data = nil
}

// unpack returns the bytes of a compressed cluster, not to be changed. The caller
// makes sure that its space is not given back meanwhile.
func (i *Image) unpack(e format.L2Entry) ([]byte, error) {
	u := &i.unpacked
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.data != nil && u.entry == e {
		return u.data, nil
	}
	data, err := i.decompress(e)
	if err == nil {
		u.entry, u.data = e, data
	}
	return data, err
}

// decompress returns a cluster of bytes. What follows the compressed stream, up
// to the next multiple of 512, is not looked at.
func (i *Image) decompress(e format.L2Entry) ([]byte, error) {
	off, n := e.CompressedRange(i.geo.ClusterBits)
	packed := make([]byte, n)
	if err := i.file.read(packed, off); err != nil {
		return nil, err
	}
	data := make([]byte, i.geo.ClusterSize())
	if err := Unpack(i.header.Compression, data, packed); err != nil {
		return nil, fmt.Errorf("%v data at byte %#x of the file: %w", i.header.Compression, off, err)
	}
	return data, nil
}

// Unpack fills a cluster from what it was compressed to.
func Unpack(kind format.CompressionType, data, packed []byte) error {
	unpack := inflate
	if kind == format.CompressionZstd {
		unpack = unpackZstd
	}
	if err := unpack(data, packed); err != nil {
		return fmt.Errorf("%w: %w", format.ErrCorrupt, err)
	}
	return nil
}

// inflate unpacks a raw deflate stream, which has no header of its own.
func inflate(data, packed []byte) error {
	r := flate.NewReader(bytes.NewReader(packed))
	defer r.Close()
	_, err := io.ReadFull(r, data)
	return err
}

func unpackZstd(data, packed []byte) error {
	r, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.ReadFull(r, data)
	return err
}
