// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"zqublkd/internal/groupcommit"
	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// Image is an open qcow2 image. Its methods may be called from several
// goroutines; keeping readers and writers of the same bytes apart is the
// caller's business.
type Image struct {
	header    *format.Header
	geo       format.Geometry
	size      uint64
	readOnly  bool
	obstacles []Obstacle

	zones   *format.ZonedInfo // nil for a plain image
	table   format.ZoneTable
	tally   format.ZoneTally         // of the table at open
	private *format.PrivateExtension // nil if the image has none

	file    *imageFile     // metadata, and data unless it is external
	data    *imageFile     // data: disk, or the external data file
	base    *Base          // nil: no backing file
	files   []storage.File // by layer: where its data is
	regions *regionMap
	l1      []l1slot
	cache   l2cache

	mu       sync.Mutex // refs and every change of the map
	refs     *refcounts
	inFlight []*placement // planned, being flushed, not published yet
	leaky    bool         // something could not be given back
	landed   sync.Cond    // one of them is gone; waits with mu
	flushes  *groupcommit.Group
	barriers Barriers // hears of them; nil: nobody does

	marks    marks
	freeLock sync.RWMutex // held for reading while compressed data is read
	frees    freeList
	unpacked unpackedCluster

	failure atomic.Pointer[error] // set once, by the first failure that is final
}

// Header is the decoded header. It must not be changed.
func (i *Image) Header() *format.Header { return i.header }

// Zoned describes the zones, nil for a plain image.
func (i *Image) Zoned() *format.ZonedInfo { return i.zones }

// VirtualSize is the size of the virtual disk in bytes.
func (i *Image) VirtualSize() uint64 { return i.size }

// Geometry returns the sizes that the cluster size decides.
func (i *Image) Geometry() format.Geometry { return i.geo }

// ClusterSize is the size of a cluster in bytes.
func (i *Image) ClusterSize() uint64 { return i.geo.ClusterSize() }

// LogicalBlockSize is the one recorded in the private extension, or 512; bytes.
func (i *Image) LogicalBlockSize() uint32 {
	if i.private == nil || i.private.LogicalBlockSize == 0 {
		return format.DefaultLogicalBlockSize
	}
	return i.private.LogicalBlockSize
}

// ReadOnly says whether the image was opened read-only.
func (i *Image) ReadOnly() bool { return i.readOnly }

// File is the file that holds the data of a layer, see Extent.
func (i *Image) File(layer uint8) storage.File { return i.files[layer] }

// DataWay is how the image's own data moves, which rings must keep to: see
// package storage.
func (i *Image) DataWay() *storage.Way { return i.data.way }

// grain says which bytes of the file of the data are moved together: by requests
// of whole blocks of the disk, cut where another cluster or subcluster begins.
func (i *Image) grain() storage.Grain {
	g := storage.Grain{Meta: i.geo.ClusterSize(), Data: min(i.geo.ClusterSize(), uint64(i.LogicalBlockSize()))}
	if i.geo.Extended {
		g.Data = min(g.Data, i.geo.ClusterSize()/format.Subclusters)
	}
	if i.geo.External {
		g.Meta = storage.Apart
		g.Data = min(g.Data, i.size&-i.size) // the data file may end with the disk
	}
	return g
}

// Layers is how many files hold data: the image's own and those below.
func (i *Image) Layers() int { return len(i.files) }

// Failed is the error that made the image refuse writes, nil if none did.
func (i *Image) Failed() error {
	if p := i.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// fail makes the image refuse writes from now on, for the reason of the first
// call, and returns that.
func (i *Image) fail(err error) error {
	wrapped := fmt.Errorf("%w: %w", ErrFailed, err)
	i.failure.CompareAndSwap(nil, &wrapped)
	return i.Failed()
}

func (i *Image) checkRange(off, n uint64) error {
	if off > i.size || n > i.size-off {
		return fmt.Errorf("%d bytes at %d of a disk of %d: %w", n, off, i.size, format.ErrRange)
	}
	return nil
}

func (i *Image) mayWrite() error {
	if i.readOnly {
		return ErrReadOnly
	}
	return i.Failed()
}

// Sync makes everything written before durable: data, refcounts, L2 tables and
// zone table alike. A failed Sync is final, see ErrFailed.
func (i *Image) Sync() error {
	if i.readOnly {
		return nil
	}
	if err := i.Failed(); err != nil {
		return err
	}
	dead := i.frees.take()
	if err := i.datasync(); err != nil {
		return err
	}
	if len(dead) > 0 {
		i.release(dead)
	}
	return nil
}

// flush is one barrier of all files. A failure is final.
func (i *Image) flush() error {
	if err := i.Failed(); err != nil {
		return err
	}
	if i.barriers != nil {
		i.barriers.BeginBarrier()
	}
	for _, d := range i.disks() {
		err := d.Datasync()
		if err == nil {
			err = d.whole()
		}
		if err != nil {
			return i.fail(fmt.Errorf("flush failed: %w", err))
		}
	}
	if i.barriers != nil {
		i.barriers.EndBarrier()
	}
	return nil
}

// Barriers hears of the barriers of an image, of one at a time. One that fails, or
// that the process dies in, has no end.
type Barriers interface {
	BeginBarrier()
	EndBarrier()
}

// TellBarriers makes b hear of the barriers from now on. Nobody else may be using
// the image yet.
func (i *Image) TellBarriers(b Barriers) { i.barriers = b }

// datasync makes everything written before durable. It never tries again after
// a failure: pages the failed call was about may count as clean now, and a
// second one would call them durable. A panic counts as a failure, because it
// may have hidden one.
func (i *Image) datasync() error {
	if err := i.Failed(); err != nil {
		return err
	}
	if err := i.flushes.Wait(); err != nil {
		return i.fail(err)
	}
	return i.Failed()
}

// disks are the files of the image, that of the data first.
func (i *Image) disks() []*imageFile {
	if i.geo.External {
		return []*imageFile{i.data, i.file}
	}
	return []*imageFile{i.file}
}

// Close syncs an image opened for writing and makes it refuse further writes.
// The file stays open: whoever opened it closes it.
func (i *Image) Close() error {
	err := i.Sync()
	if errors.Is(err, errClosed) {
		return nil
	}
	if err == nil && !i.readOnly {
		err = i.markClean()
	}
	i.failure.CompareAndSwap(nil, &errClosed)
	return err
}

// Abandon closes the image as it is: nothing more is written, and its dirty mark stays.
func (i *Image) Abandon() { i.failure.CompareAndSwap(nil, &errClosed) }

var errClosed = errors.New("image is closed")

// mayHoldData checks that a range of the data's file holds no metadata.
func (i *Image) mayHoldData(off, n uint64) error {
	if i.geo.External {
		return nil
	}
	return i.regions.check(format.KindData, off, n)
}

// writeMeta writes metadata after checking that it lands on its own kind. That
// there is no room for it leaves the file as it was; after any other error
// nobody knows what it holds.
func (i *Image) writeMeta(kind format.ClusterKind, b []byte, off uint64) error {
	if err := i.regions.check(kind, off, uint64(len(b))); err != nil {
		return i.corrupted(err)
	}
	err := i.file.write(b, off)
	if err != nil && !noRoom(err) {
		err = i.fail(fmt.Errorf("writing the %v: %w", kind, err))
	}
	return err
}

// noRoom says whether a write has failed for want of space only.
func noRoom(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}
