package qcow2

import "fmt"

// ReadAt fills p from byte off of the virtual disk, whatever way it is stored.
// It may block on I/O.
func (i *Image) ReadAt(p []byte, off uint64) error {
	if err := i.refused(UseRead); err != nil {
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
	case Data, Shared:
		return x.Len, i.disk.read(p[:x.Len], x.Host)
	case Zero:
		clear(p[:x.Len])
		return x.Len, nil
	case Compressed:
		return i.readCompressed(p[:x.Len], off)
	case Miss:
		return 0, i.Resolve(off, 1)
	case Corrupt:
		return 0, i.poisonError(off >> i.geo.clusterBits)
	}
	return 0, fmt.Errorf("reading at %d: %w", off, ErrRange)
}

// readCompressed reads from one compressed cluster while it can't be given back.
func (i *Image) readCompressed(p []byte, off uint64) (uint64, error) {
	i.freeLock.RLock()
	defer i.freeLock.RUnlock()
	m, err := i.mapping(off >> i.geo.clusterBits)
	if err != nil || !m.entry.Compressed() {
		return 0, err // it has changed: look again
	}
	return uint64(len(p)), i.readMapping(p, i.geo.inCluster(off), off>>i.geo.clusterBits, m)
}

// readMapping reads what a cluster with mapping m holds from byte in on.
func (i *Image) readMapping(p []byte, in, cluster uint64, m mapping) error {
	if m.entry.Compressed() {
		data, err := i.unpack(m.entry)
		if err != nil {
			return fmt.Errorf("compressed cluster of disk byte %d: %w", cluster<<i.geo.clusterBits, err)
		}
		copy(p, data[in:])
		return nil
	}
	for len(p) > 0 {
		x := i.geo.extentOf(m, in)
		n := min(x.Len, uint64(len(p)))
		if x.Kind == Zero {
			clear(p[:n])
		} else if err := i.disk.read(p[:n], x.Host); err != nil {
			return err
		}
		p, in = p[n:], in+n
	}
	return nil
}

// WriteAt writes p at byte off of the virtual disk, taking space as needed. The
// data is in the page cache on return, and durable after Sync.
func (i *Image) WriteAt(p []byte, off uint64) error {
	for len(p) > 0 {
		if err := i.Ensure(off, uint64(len(p)), 0); err != nil {
			return err
		}
		x := i.Lookup(off, uint64(len(p)))
		if x.Kind == Miss {
			if err := i.Resolve(off, 1); err != nil {
				return err
			}
			continue
		}
		if x.Kind != Data {
			return fmt.Errorf("writing at %d: %v after space was taken: %w", off, x.Kind, ErrRange)
		}
		if err := i.writeData(p[:x.Len], x.Host); err != nil {
			return err
		}
		p, off = p[x.Len:], off+x.Len
	}
	return nil
}

// writeData writes data after checking that it lands on no metadata.
func (i *Image) writeData(b []byte, host uint64) error {
	if err := i.regions.check(regionData, host, uint64(len(b))); err != nil {
		return i.corrupted(err)
	}
	return i.disk.write(b, host)
}
