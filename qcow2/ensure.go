// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"slices"
)

// batchClusters bounds how many clusters one step of Ensure or MakeZero plans
// for: its memory, and how long it holds the lock.
const batchClusters = 16384

// Ensure maps [off,off+n) to host clusters that are exclusively ours, so that
// Lookup calls all of it Data: what the range read as before it still does, and
// fresh space reads as zeros. Where it takes space it goes on for up to ahead
// bytes past the range, through what is not mapped yet, in long runs; that part
// is done as far as it goes. Refcounts are durable before the map refers to
// them; the map itself is in the page cache on return, and durable after Sync.
//
// On an error (its errno can be found by errors.Is) part of the range may be
// mapped; the image is consistent, with a few leaked clusters at worst.
func (i *Image) Ensure(off, n, ahead uint64) error {
	if err := i.mayWrite(); err != nil {
		return err
	}
	if err := i.checkRange(off, n); err != nil || i.mapped(off, n) {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ensure(off, n, ahead, nil)
}

// mapped says whether all of a range is known to be Data.
func (i *Image) mapped(off, n uint64) bool {
	for n > 0 {
		x := i.Lookup(off, n)
		if x.Kind != Data {
			return false
		}
		off, n = off+x.Len, n-x.Len
	}
	return true
}

// ensure is Ensure with mu held. data, if any, are the n bytes that the range is
// to hold.
func (i *Image) ensure(off, n, ahead uint64, data []byte) error {
	if n == 0 {
		return nil
	}
	first, last := off>>i.geo.ClusterBits, (off+n-1)>>i.geo.ClusterBits
	for ; first+batchClusters <= last; first += batchClusters {
		if err := i.ensureClusters(first, batchClusters, 0, off, data); err != nil {
			return err
		}
	}
	extra := min(ahead>>i.geo.ClusterBits, batchClusters, i.geo.Clusters(i.size)-1-last)
	err := i.ensureClusters(first, last-first+1, extra, off, data)
	if err != nil && extra > 0 && i.Failed() == nil {
		return i.ensureClusters(first, last-first+1, 0, off, data)
	}
	return err
}

// ensureClusters does a batch.
func (i *Image) ensureClusters(first, n, extra, off uint64, data []byte) error {
	i.waitWhileBusy(first, n)
	p := &placement{image: i, off: off, data: data}
	if err := p.plan(first, n, extra); err != nil {
		return err
	}
	return i.place(p)
}

// place does what was planned: space is taken and filled, then one flush, then it
// is published. mu is given up in between, so that others go on and share the
// flush; what the batch is about is kept from them as being in flight.
func (i *Image) place(p *placement) error {
	if len(p.changes) == 0 {
		return nil
	}
	if err := i.markDirty(); err != nil {
		return err
	}
	whole := false
	defer func() { i.leaky = i.leaky || !whole }() // also after a panic, which undoes nothing
	err := i.changing(p.take)
	if err == nil && p.needsFlush() {
		i.inFlight = append(i.inFlight, p)
		defer i.land(p)
		err = i.settled(p)
	}
	if err != nil {
		p.undo()
		return err
	}
	err = i.changing(p.publish)
	whole = err == nil
	return err
}

// changing runs a step that changes refcounts or the map. A panic halfway is
// final: memory and file may differ from then on.
func (i *Image) changing(step func() error) error {
	ended := false
	defer func() {
		if !ended {
			i.fail(errHalfway)
		}
	}()
	err := step()
	ended = true
	return err
}

var errHalfway = errors.New("an internal error has left a change of the metadata half done")

// settled fills what a batch has taken and makes it durable, with mu given up
// meanwhile: also a panic finds it held again.
func (i *Image) settled(p *placement) error {
	i.mu.Unlock()
	defer i.mu.Lock()
	err := p.fillAll()
	if err == nil {
		err = i.datasync()
	}
	return err
}

// waitWhileBusy waits until nothing in flight is about n clusters of the disk
// from first on. The caller holds mu, which is given up while it waits.
func (i *Image) waitWhileBusy(first, n uint64) {
	for i.busy(first, n) {
		i.landed.Wait()
	}
}

func (i *Image) busy(first, n uint64) bool {
	for _, p := range i.inFlight {
		if p.covers(first, first+n-1) {
			return true
		}
	}
	return false
}

// hostInFlight is the byte offset of the host cluster a batch in flight ends
// with if that is for the given cluster of the disk; else 0.
func (i *Image) hostInFlight(cluster uint64) uint64 {
	for _, p := range i.inFlight {
		if last := p.changes[len(p.changes)-1]; last.cluster == cluster {
			return last.host
		}
	}
	return 0
}

// land takes a batch out of flight.
func (i *Image) land(p *placement) {
	k := slices.Index(i.inFlight, p)
	i.inFlight = slices.Delete(i.inFlight, k, k+1)
	i.landed.Broadcast()
}
