// SPDX-License-Identifier: Apache-2.0

package qcow2

// fillAll fills the host clusters of all changes. Image.mu is not held: what a
// change is about changes for nobody else, and no space it reads is given back.
func (p *placement) fillAll() error {
	for k := range p.changes {
		if err := p.fill(&p.changes[k]); err != nil {
			return err
		}
	}
	return nil
}

// fill gives a host cluster the contents its change needs: those of before, and
// the data of the batch over them.
func (p *placement) fill(ch *change) error {
	i := p.image
	data := p.dataIn(ch.cluster)
	if ch.zero {
		return nil
	}
	if uint64(len(data)) == i.inDisk(ch.cluster) {
		return i.writeData(data, ch.host)
	}
	var err error
	switch ch.fill {
	case fillErase:
		err = i.data.zero(ch.host, i.inDisk(ch.cluster))
	case fillMissing:
		err = i.fillMissing(ch)
	case fillCopy:
		return p.copyOver(ch, data)
	}
	if err != nil || data == nil {
		return err
	}
	return i.writeData(data, ch.host+p.placeIn(ch.cluster))
}

// inDisk is how many bytes of a cluster to fill: in a data file, none past the
// end of the disk.
func (i *Image) inDisk(cluster uint64) uint64 {
	if i.geo.External {
		return min(i.geo.ClusterSize(), i.size-cluster<<i.geo.ClusterBits)
	}
	return i.geo.ClusterSize()
}

// placeIn is where in a cluster the batch's data begins.
func (p *placement) placeIn(cluster uint64) uint64 {
	start := cluster << p.image.geo.ClusterBits
	return max(start, p.off) - start
}

// copyOver writes what a change's old mapping reads, with data over it.
func (p *placement) copyOver(ch *change, data []byte) error {
	i := p.image
	buf := make([]byte, i.geo.ClusterSize())
	if err := i.readMapping(buf, 0, ch.cluster, ch.old); err != nil {
		return err
	}
	if data != nil {
		copy(buf[p.placeIn(ch.cluster):], data)
	}
	return i.writeData(buf, ch.host)
}

// fillMissing writes to a host cluster what its mapping reads from elsewhere.
func (i *Image) fillMissing(ch *change) error {
	if err := i.mayHoldData(ch.host, i.geo.ClusterSize()); err != nil {
		return i.corrupted(err)
	}
	end := i.inDisk(ch.cluster)
	for in := uint64(0); in < end; {
		x := extentOf(&i.geo, ch.old, in)
		x.Len = min(x.Len, end-in)
		err := error(nil)
		switch {
		case x.Kind == Zero || x.Kind == Absent && i.base == nil:
			err = i.data.zero(ch.host+in, x.Len)
		case x.Kind == Absent:
			err = i.copyUp(ch, in, x.Len)
		}
		if err != nil {
			return err
		}
		in += x.Len
	}
	return nil
}

// copyUp copies n bytes from byte in of a cluster on from the backing file.
func (i *Image) copyUp(ch *change, in, n uint64) error {
	buf := make([]byte, n)
	if err := i.base.read(buf, ch.cluster<<i.geo.ClusterBits+in); err != nil {
		return err
	}
	return i.writeData(buf, ch.host+in)
}
