// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/qcow2/format"
)

// ReadAt fills p from byte off of the virtual disk, whatever way it is stored.
// It may block on I/O.
func (i *Image) ReadAt(p []byte, off uint64) error {
	if err := i.Refused(UseRead); err != nil {
		return err
	}
	if err := i.checkRange(off, uint64(len(p))); err != nil {
		return err
	}
	for len(p) > 0 {
		n, err := i.readRun(p, off)
		if err != nil {
			return err
		}
		p, off = p[n:], off+n
	}
	return nil
}

// readRun reads the first run of p and returns its length, 0 to be called again.
func (i *Image) readRun(p []byte, off uint64) (uint64, error) {
	x := i.Lookup(off, uint64(len(p)))
	switch x.Kind {
	case Zero:
		clear(p[:x.Len])
		return x.Len, nil
	case Miss:
		return 0, i.Resolve(off, 1)
	}
	if x.Layer > 0 {
		return x.Len, i.base.read(p[:x.Len], off)
	}
	switch x.Kind {
	case Data, Shared:
		return x.Len, i.data.readData(p[:x.Len], x.Host)
	case Compressed:
		return i.readCompressed(p[:x.Len], off)
	case Corrupt:
		return 0, i.damaged(i.poisonError(off >> i.geo.ClusterBits))
	}
	return 0, fmt.Errorf("reading at %d: %w", off, format.ErrRange)
}

// ReadOwn reads a run that LookupOwn has found at byte off, and that holds something: none
// that is Absent. p has its length. What lies below the image is not needed, so that it may
// have been opened Lenient.
func (i *Image) ReadOwn(p []byte, off uint64, x Extent) error {
	switch x.Kind {
	case Zero:
		clear(p)
		return nil
	case Data, Shared:
		return i.data.readData(p, x.Host)
	case Compressed:
		n, err := i.readCompressed(p, off)
		if err == nil && n != x.Len {
			err = i.poisonError(off >> i.geo.ClusterBits)
		}
		return err
	}
	return i.poisonError(off >> i.geo.ClusterBits)
}

// readCompressed reads from one compressed cluster while it can't be given back.
func (i *Image) readCompressed(p []byte, off uint64) (uint64, error) {
	i.freeLock.RLock()
	defer i.freeLock.RUnlock()
	m, err := i.mapping(off >> i.geo.ClusterBits)
	if err != nil || !m.entry.Compressed() {
		return 0, err // it has changed: look again
	}
	return uint64(len(p)), i.readMapping(p, i.geo.InCluster(off), off>>i.geo.ClusterBits, m)
}

// readMapping reads what a cluster with mapping m holds from byte in on.
func (i *Image) readMapping(p []byte, in, cluster uint64, m mapping) error {
	if m.entry.Compressed() {
		data, err := i.unpack(m.entry)
		if err != nil {
			return fmt.Errorf("compressed cluster of disk byte %d: %w", cluster<<i.geo.ClusterBits, err)
		}
		copy(p, data[in:])
		return nil
	}
	for len(p) > 0 {
		x := extentOf(&i.geo, m, in)
		n := min(x.Len, uint64(len(p)))
		if err := i.readExtent(p[:n], cluster<<i.geo.ClusterBits+in, x); err != nil {
			return err
		}
		p, in = p[n:], in+n
	}
	return nil
}

// readExtent fills p, which starts at byte off of the disk, from an extent.
func (i *Image) readExtent(p []byte, off uint64, x Extent) error {
	switch x.Kind {
	case Zero:
		clear(p)
		return nil
	case Absent:
		return i.base.read(p, off)
	}
	return i.data.readData(p, x.Host)
}

// WriteAt writes p at byte off of the virtual disk, taking space as needed. The
// data is in the file on return (in its page cache, or past it), and durable
// after Sync.
func (i *Image) WriteAt(p []byte, off uint64) error {
	if err := i.mayWrite(); err != nil {
		return err
	}
	if err := i.checkRange(off, uint64(len(p))); err != nil {
		return err
	}
	for len(p) > 0 {
		x, err := i.LookupResolved(off, uint64(len(p)))
		if err != nil {
			return err
		}
		if x.Kind == Data {
			err = i.writeData(p[:x.Len], x.Host)
		} else {
			err = i.writeThrough(p[:x.Len], off)
		}
		if err != nil {
			return err
		}
		p, off = p[x.Len:], off+x.Len
	}
	return nil
}

// writeThrough writes where space has to be taken: the bytes are in their place
// before the map refers to it, so that nothing has to be copied that they
// replace, and what was there before is never lost halfway.
func (i *Image) writeThrough(p []byte, off uint64) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ensure(off, uint64(len(p)), 0, p)
}

// writeData writes data after checking that it lands on no metadata.
func (i *Image) writeData(b []byte, host uint64) error {
	if err := i.mayHoldData(host, uint64(len(b))); err != nil {
		return i.corrupted(err)
	}
	return i.data.writeData(b, host)
}
