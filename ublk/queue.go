// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"zqublkd/uring"
)

// Handler serves the requests of one queue. All methods are called on the queue's thread, one at a
// time; none may block for long, because the whole queue waits. A panic is answered with EIO on the
// tag it was called for.
type Handler interface {
	// Request says that a new request is on tag: Queue.Desc tells what. It must be answered once,
	// now or later.
	Request(q *Queue, tag uint16)
	// Done says that an SQE queued for tag has completed: step is the number it was given, res its
	// bytes or -errno. A chain (Queue.LinkNext) completes once, with its last step or the first one
	// that failed.
	Done(q *Queue, tag uint16, step uint8, res int32)
	// Woken follows one or more calls of Queue.Wake.
	Woken(q *Queue)
}

// QueueOptions are the choices for one queue; the zero value is good.
type QueueOptions struct {
	// Blocking waits by ordinary blocking system calls: about half the speed, but no processor (P)
	// is held while idle. It is forced by GODEBUG=asyncpreemptoff=1, where nothing would interrupt
	// a raw wait.
	Blocking bool
	// CPUs is where the queue's thread may run, for example Control.QueueAffinity; empty: anywhere.
	CPUs CPUSet
	// Files are those of the submissions to come, below 0: none, and Memory, which must be
	// uring.Mem, is where most buffers of file I/O lie. The ring is told of both beforehand: queues
	// then share no count of a file's users, and the kernel need not walk to the memory's pages
	// each time. Other files and buffers work, too.
	Files  []int
	Memory []byte
	// OnSubmit is called right before what is queued, answers among it, is handed to the kernel:
	// the last moment at which it can be said that the kernel has not heard of them.
	OnSubmit func()
	// OnPanic is told of a panic in the handler; the tag named is answered by the queue.
	OnPanic func(Panic)
	// OnDrop is called for a tag whose handling panicked, when nothing queued for it is in flight
	// any more and before EIO is answered: give back here what the request held.
	OnDrop func(q *Queue, tag uint16)
}

// sqesPerTag sizes the rings: submissions queued between two enters, and completions waiting, for
// each tag.
const sqesPerTag = 4

// Queue is one hardware queue of a device, owned by the thread that made it. Except Wake and the
// copies "Now" its methods may be called only by that thread, which means from within a Handler:
// commits are queued in memory that only Run submits.
type Queue struct {
	dev  *Device
	id   uint16
	opts QueueOptions
	tid  int

	ring  *uring.Ring
	descs []byte // the driver's array of descriptors, read only
	wake  wakeup

	auto        bool // the driver registers requests' pages with the ring
	tags        []tag
	gone        int // tags that came back with ENODEV
	held        int // tags with a request that isn't answered
	quit        atomic.Bool
	last        *uring.SQE // the handler's last SQE, not submitted yet; what LinkNext marks
	owner       int32      // tag of last
	chain       int32      // tag of the chain that waits for its next SQE
	active      int32      // tag whose handler call is running
	err         error      // ends Run
	waking      bool       // Woken is running
	wokenPanics int        // panics of Woken in a row
}

// none is no tag.
const none = int32(-1)

// NewQueue makes queue qid on the calling thread, to which the goroutine must be locked for good:
// only this thread may Run it, and it should end with it. Device.Serve sees to all that.
func (d *Device) NewQueue(qid int, o QueueOptions) (*Queue, error) {
	if qid < 0 || qid >= int(d.info.Queues) {
		return nil, fmt.Errorf("ublk device %d has no queue %d, only %d", d.info.ID, qid, d.info.Queues)
	}
	o.Blocking = o.Blocking || preemptionOff()
	q := &Queue{dev: d, id: uint16(qid), opts: o, tid: unix.Gettid(), tags: make([]tag, d.info.Depth), owner: none,
		chain: none, active: none}
	if err := q.setup(); err != nil {
		return nil, errors.Join(fmt.Errorf("ublk device %d queue %d: %w", d.info.ID, qid, err), q.Close())
	}
	d.adopt(q)
	return q, nil
}

// Quit makes Run return as soon as the requests the server holds are answered, and leaves those
// that come later to the driver, which treats them as for a server that died: nothing is lost on a
// device that is stopped, was never started, or has FeatureRecoveryReissue. The next server can
// only recover the device when the queue's thread is gone too. Any goroutine may call it.
func (q *Queue) Quit() {
	q.quit.Store(true)
	q.Wake()
}

// setup makes what NewQueue needs of the kernel.
func (q *Queue) setup() error {
	depth := uint32(len(q.tags))
	var err error
	q.ring, err = uring.New(uring.Options{
		Entries:   depth + chainRoom,
		CQEntries: depth*(sqesPerTag+1) + chainRoom,
		Flags: uring.SetupSingleIssuer | uring.SetupDeferTaskrun | uring.SetupCoopTaskrun | uring.SetupSubmitAll |
			uring.SetupClamp | uring.SetupNoSQArray,
	})
	if err != nil {
		return err
	}
	if q.auto = q.dev.info.Flags.Has(FeatureAutoBufReg); q.auto {
		if err := q.ring.RegisterSparseBuffers(depth + 1); err != nil {
			return err
		}
	}
	q.registerFixed()
	if err := q.openDescs(); err != nil {
		return err
	}
	return q.wake.open()
}

// registerFixed tells the ring what will be named again and again. It is a favour: where the kernel
// refuses one, because there is no room or too much memory pinned, all works without it.
func (q *Queue) registerFixed() {
	_ = q.ring.RegisterRing()
	_ = q.ring.RegisterFixedFiles(append([]int{q.dev.fd}, q.opts.Files...)...)
	if len(q.opts.Memory) == 0 {
		return
	}
	index := 0
	if q.auto {
		index = len(q.tags) // behind those that the driver fills in by tag
	} else if q.ring.RegisterSparseBuffers(1) != nil {
		return
	}
	_ = q.ring.RegisterFixedBuffer(q.opts.Memory, uint16(index))
}

// forgetFiles gives the files back at once: the ring goes in the kernel's own time, and would keep
// the device and a mount until then. Where a command is in flight, which the kernel would wait for,
// they do go with the ring.
func (q *Queue) forgetFiles() error {
	if q.gone < len(q.tags) {
		return nil
	}
	return q.ring.UnregisterFixedFiles()
}

// openDescs gets the array of descriptors.
func (q *Queue) openDescs() (err error) {
	if q.dev.fake != nil {
		q.descs = q.dev.fake.Descs(int(q.id))
		return nil
	}
	q.descs, err = mapDescs(q.dev.fd, q.id, len(q.tags))
	return err
}

// mapDescs maps a queue's array of descriptors. The driver wants exactly the pages of this depth,
// at an offset that has room for the largest depth, and never writable.
func mapDescs(fd int, queue uint16, depth int) ([]byte, error) {
	page := unix.Getpagesize()
	pages := func(n int) int { return (n + page - 1) / page * page }
	off := int64(queue) * int64(pages(MaxDepth*IODescBytes))
	b, err := unix.Mmap(fd, off, pages(depth*IODescBytes), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map request descriptors: %w", err)
	}
	return b, nil
}

// ID is the number of the queue.
func (q *Queue) ID() int { return int(q.id) }

// Desc copies out what the request on tag asks for.
func (q *Queue) Desc(tag uint16) IODesc { return *q.desc(tag) }

// desc is where the driver has written what the request on tag asks for.
func (q *Queue) desc(tag uint16) *IODesc {
	return (*IODesc)(unsafe.Pointer(&q.descs[int(tag)*IODescBytes]))
}

// Close unmaps and closes everything the queue has; whatever it still had fetched is cancelled.
// Wake may go on being called and does nothing. It must come before DeleteDevice can return, and on
// the queue's thread. A second call does nothing.
func (q *Queue) Close() error {
	var errs []error
	if q.ring != nil {
		errs = append(errs, q.forgetFiles(), q.ring.Close())
		q.ring = nil
	}
	if q.descs != nil && q.dev.fake == nil {
		errs = append(errs, unix.Munmap(q.descs))
	}
	q.descs = nil
	return errors.Join(append(errs, q.wake.close())...)
}

// RingFD is the descriptor of the queue's ring, to which other rings can send messages.
func (q *Queue) RingFD() int { return q.ring.FD() }
