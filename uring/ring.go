// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options says what New makes.
type Options struct {
	Entries   uint32     // submission entries, rounded up to a power of two by the kernel
	CQEntries uint32     // completion entries; 0: twice Entries
	Flags     SetupFlags // SetupCQE32, SetupNoMmap and SetupIOPoll are not for this package
}

// Ring is one io_uring. See the package's invariants for who may touch it.
type Ring struct {
	fd       int
	enterFD  uintptr // fd, or its index once the ring is registered
	flags    uint32  // enter flags that go with enterFD
	features Features
	setup    SetupFlags

	sq sqRing
	cq cqRing

	rings []byte // mapping of both rings' heads and the CQEs
	sqes  []byte // mapping of the SQEs
	fixed fixed
	ext   *Mem // eventsArg at 0, its Timespec at extTimespec, SetBuffer's argument at extIovec
}

// sqRing is our end of the submission queue. tail runs ahead of what the kernel has been shown; all
// counters wrap.
type sqRing struct {
	head, shared *uint32 // kernel's head and the published tail
	entries      uint32
	mask         uint32
	stride       uintptr // bytes from one SQE to the next
	base         unsafe.Pointer
	tail         uint32
}

// cqRing is our end of the completion queue.
type cqRing struct {
	head, tail *uint32
	mask       uint32
	base       unsafe.Pointer
}

const (
	extTimespec = 64
	extIovec    = 128
	extBytes    = 256
)

// New sets up and maps a ring. With SetupSingleIssuer the calling thread becomes its owner.
// ErrDisabled is returned when the system forbids io_uring.
func New(o Options) (*Ring, error) {
	if o.Flags&(SetupCQE32|SetupNoMmap|SetupIOPoll) != 0 {
		return nil, fmt.Errorf("ring flags %#x: CQE32, NO_MMAP and IOPOLL rings are not supported", uint32(o.Flags))
	}
	p := params{flags: o.Flags}
	if o.CQEntries != 0 {
		p.flags |= SetupCQSize
		p.cqEntries = o.CQEntries
	}
	fd, err := setup(o.Entries, &p)
	if err != nil {
		return nil, err
	}
	r := &Ring{fd: fd, enterFD: uintptr(fd), features: p.features, setup: p.flags}
	if err := r.mapAll(&p); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// mapAll maps what setup laid out and points the queues at it.
func (r *Ring) mapAll(p *params) error {
	need := FeatSingleMmap | FeatNoDrop | FeatExtArg
	if r.features&need != need {
		return fmt.Errorf("io_uring of this kernel is too old (features %#x, need %#x): Linux 6.1 or newer", uint32(r.features), uint32(need))
	}
	r.sq.stride = SQEBytes
	if r.setup&SetupSQE128 != 0 {
		r.sq.stride = 2 * SQEBytes
	}
	length := max(p.cq.cqes+p.cqEntries*CQEBytes, p.sq.array+4*p.sqEntries)
	var err error
	if r.rings, err = mapRing(r.fd, offSQRing, int(length)); err != nil {
		return err
	}
	if r.sqes, err = mapRing(r.fd, offSQEs, int(p.sqEntries)*int(r.sq.stride)); err != nil {
		return err
	}
	if r.ext, err = NewMem(extBytes); err != nil {
		return err
	}
	r.point(p)
	return nil
}

// mapRing maps one area of the ring's descriptor.
func mapRing(fd int, off int64, n int) ([]byte, error) {
	b, err := unix.Mmap(fd, off, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes of the ring: %w", n, err)
	}
	return b, nil
}

// point sets the queues' pointers into the mappings.
func (r *Ring) point(p *params) {
	word := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[off])) }
	r.sq.head, r.sq.shared = word(p.sq.head), word(p.sq.tail)
	r.sq.entries, r.sq.mask = p.sqEntries, *word(p.sq.mask)
	r.sq.base = unsafe.Pointer(&r.sqes[0])
	r.sq.tail = *r.sq.shared
	r.cq.head, r.cq.tail = word(p.cq.head), word(p.cq.tail)
	r.cq.mask = *word(p.cq.mask)
	r.cq.base = unsafe.Pointer(&r.rings[p.cq.cqes])
	if r.setup&SetupNoSQArray == 0 {
		r.identity(p.sq.array)
	}
}

// identity fills the index array once, so that slot i of the queue is SQE i.
func (r *Ring) identity(off uint32) {
	array := unsafe.Slice((*uint32)(unsafe.Pointer(&r.rings[off])), r.sq.entries)
	for i := range array {
		array[i] = uint32(i)
	}
}

// FD is the ring's descriptor, for Message.
func (r *Ring) FD() int { return r.fd }

// Close unmaps the ring and closes its descriptor; whatever was in flight is cancelled by the
// kernel, in its own time. The ring must not be used any more. A second call does nothing.
func (r *Ring) Close() error {
	var errs []error
	if r.flags&enterRegisteredRing != 0 {
		errs = append(errs, r.UnregisterRing())
	}
	for _, m := range []*[]byte{&r.rings, &r.sqes} {
		if *m != nil {
			errs = append(errs, unix.Munmap(*m))
			*m = nil
		}
	}
	if r.ext != nil {
		errs = append(errs, r.ext.Free())
	}
	if r.fd >= 0 {
		errs = append(errs, unix.Close(r.fd))
		r.fd = -1
	}
	r.sq, r.cq = sqRing{}, cqRing{}
	return errors.Join(errs...)
}
