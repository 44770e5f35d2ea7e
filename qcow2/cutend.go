// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"cmp"
	"slices"

	"zqublkd/qcow2/format"
)

// aside is space of the file that was set aside for a zone and that nobody can read: it lies
// above the write pointer.
type aside struct {
	run
	disk uint64 // cluster of the disk that it begins with
}

// CutEnd makes the file of a zoned image end behind the last cluster that holds anything: space
// that was set aside above write pointers goes, as far as it is at the end of the file. The map
// forgets it, then the refcounts do, then it is cut off, each durable before the next. Zones that
// were not used since the image was opened are not looked at.
//
// What was written must be durable, write pointers too, and nobody may be using the image.
func (i *Image) CutEnd() error {
	if i.readOnly || i.zones == nil || i.base != nil || i.Failed() != nil || i.zones.ZoneSize%i.geo.ClusterSize() != 0 {
		return nil // what is below a cluster would show, or a cluster has several zones
	}
	list, err := i.setAside()
	if err == nil {
		err = i.unmap(i.atEnd(list))
	}
	if err == nil {
		err = i.Sync() // which lowers the refcounts, once the map is durable
	}
	if err != nil {
		if noRoom(err) && i.Failed() == nil {
			return nil // a file system may want room for every write, and the space stays ours
		}
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.datasync(); err != nil {
		return err
	}
	return i.cut()
}

// setAside lists what zones have above their write pointers, as far as the map is in memory.
func (i *Image) setAside() ([]aside, error) {
	var list []aside
	err := i.EachZone(func(zone uint32, e format.ZoneEntry) error {
		off, end := format.RoundUp(e.WP, i.geo.ClusterSize()), i.zones.ZoneStart(zone)+i.zones.ZoneSize
		if zone < i.zones.Conventional || e.Invalid || e.WP < i.zones.ZoneStart(zone) {
			return nil
		}
		for end = min(end, i.size); off < end; {
			x := i.lookupOwn(off, end-off)
			if x.Kind == Data && x.Len >= i.geo.ClusterSize() {
				here := run{x.Host >> i.geo.ClusterBits, x.Len >> i.geo.ClusterBits}
				list = append(list, aside{here, off >> i.geo.ClusterBits})
			}
			off = format.RoundUp(off+max(x.Len, 1), i.geo.ClusterSize())
		}
		return nil
	})
	return list, err
}

// atEnd are those of a list that nothing in use lies behind.
func (i *Image) atEnd(list []aside) []aside {
	slices.SortFunc(list, func(a, b aside) int { return cmp.Compare(b.first, a.first) })
	tail := i.refs.tail
	for k, x := range list {
		if x.end() != tail {
			return list[:k]
		}
		tail = x.first
	}
	return list
}

// unmap makes the map forget runs that are ours alone.
func (i *Image) unmap(list []aside) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, x := range list {
		for done := uint64(0); done < x.n; {
			n := min(x.n-done, batchClusters)
			p := &placement{image: i}
			if err := p.planZero(x.disk+done, n, false); err != nil {
				return err
			}
			if err := i.place(p); err != nil {
				return err
			}
			done += n
		}
	}
	return nil
}

// cut makes the file end where the refcounts do. A file that can't be made shorter stays.
func (i *Image) cut() error {
	for ; i.refs.tail > 0; i.refs.tail-- {
		if n, err := i.refs.get(i.refs.tail - 1); err != nil || n > 0 {
			if err != nil {
				return err
			}
			break
		}
	}
	end := i.refs.tail << i.geo.ClusterBits
	if i.file.length.Load() <= end {
		return nil
	}
	if i.file.Truncate(int64(end)) == nil {
		i.file.length.Store(end)
	}
	return i.datasync()
}
