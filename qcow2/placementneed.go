// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"zqublkd/qcow2/format"
)

// judge says what a cluster needs to become Data.
func (i *Image) judge(cluster uint64) (change, bool, error) {
	m, err := i.mapping(cluster)
	if err != nil {
		return change{}, false, err
	}
	ch := change{cluster: cluster, old: m}
	e := m.entry
	switch {
	case e.Poisoned():
		return ch, false, i.damaged(i.poisonError(cluster))
	case i.geo.Stored(e) && !e.Compressed() && e.Copied() && !e.Zero() &&
		(!i.geo.Extended || m.bitmap == format.L2AllAllocated):
		ch.hosted, ch.host = true, e.Offset()
		return ch, false, nil
	case i.geo.External:
		err = i.judgeExternal(&ch)
	case e.Compressed():
		ch.wanting, ch.fill = true, fillCopy
	case e.Offset() == 0:
		ch.wanting, ch.fill = true, fillCopy
		err = i.judgeEmpty(&ch)
	default:
		err = i.judgeHost(&ch)
	}
	return ch, true, err
}

// judgeExternal: in a data file every cluster of the disk has its place.
func (i *Image) judgeExternal(ch *change) error {
	ch.hosted, ch.host, ch.fill = true, ch.cluster<<i.geo.ClusterBits, fillMissing
	zero, err := i.readsZero(ch.old, ch.cluster)
	if zero {
		ch.fill = fillErase
	}
	return err
}

// judgeEmpty finds out whether a cluster that has no host cluster reads as zeros.
func (i *Image) judgeEmpty(ch *change) error {
	zero, err := i.readsZero(ch.old, ch.cluster)
	if zero {
		ch.fill = fillFresh
	}
	return err
}

// readsZero says whether a mapping is known to read as zeros.
func (i *Image) readsZero(m mapping, cluster uint64) (bool, error) {
	for in := uint64(0); in < i.geo.ClusterSize(); {
		x := extentOf(&i.geo, m, in)
		switch x.Kind {
		case Zero:
		case Absent:
			if zero, err := i.base.zero(cluster<<i.geo.ClusterBits+in, x.Len); err != nil || !zero {
				return false, err
			}
		default:
			return false, nil
		}
		in += x.Len
	}
	return true, nil
}

// judgeHost decides whether a cluster that has a host cluster may keep it.
func (i *Image) judgeHost(ch *change) error {
	e := ch.old.entry
	n, err := i.refs.get(e.Offset() >> i.geo.ClusterBits)
	switch {
	case err != nil:
		return err
	case n == 0:
		return i.corrupted(format.Corrupt("refcount", e.Offset(), "is 0 for a cluster in use"))
	case n > 1:
		ch.wanting, ch.fill = true, fillCopy
		return i.judgeEmpty(ch)
	}
	ch.hosted, ch.host, ch.fill = true, e.Offset(), fillMissing
	return nil
}
