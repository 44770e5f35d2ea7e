// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"zqublkd/internal/groupcommit"
	"zqublkd/internal/imagefile"
	"zqublkd/internal/statefile"
	"zqublkd/internal/storage"
	"zqublkd/internal/trace"
	"zqublkd/qcow2"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// Disk is an opened image with its rules: everything of a served device but
// the driver. A plain image is a disk of one conventional zone.
type Disk struct {
	file       storage.File
	files      io.Closer // all files of the image
	img        *qcow2.Image
	zones      *zoned.Device
	geo        zoned.Geometry
	durability *durability
	flush      func() error
	state      *statefile.File
	log        *logrus.Logger

	reissue *reissue

	ahead   *reserve
	streams streams // of conventional zones

	layers  []layer // by Extent.Layer
	zeros   []byte
	frozen  atomic.Bool           // no change any more: opened so, or the image has failed
	failure atomic.Pointer[error] // how the image has failed
	pause   pause
	faults  faults

	volatile *volatile                    // nil: what is written is kept, also without a flush
	tracer   atomic.Pointer[trace.Tracer] // nil: nobody looks

	changing sync.Mutex // zones, or the power, from outside of requests
	closed   bool

	tasks      chan task
	working    sync.WaitGroup
	busy       atomic.Int32 // jobs that are being done
	lastErrors lastErrors
}

// layer is where the data of one file of the image is read and written.
type layer struct {
	fd     int     // descriptor for what is aligned
	mask   uintptr // of offsets, lengths and addresses fd can't do
	direct bool    // fd passes the page cache
	cached int     // page-cache descriptor of a file that nobody writes, for the rest
}

// newLayer is the layer of a backing file.
func newLayer(f storage.File) layer {
	if f.DirectFd() < 0 {
		return layer{fd: f.Fd(), cached: f.Fd()}
	}
	return layer{fd: f.DirectFd(), mask: uintptr(f.DirectAlign() - 1), direct: true, cached: f.Fd()}
}

// ownLayer is the layer of the image itself: its data has one descriptor.
func ownLayer(w *storage.Way) layer {
	return layer{fd: w.Fd(), mask: uintptr(w.Align() - 1), direct: w.Direct(), cached: -1}
}

// Allow says which files an image names are opened.
type Allow struct {
	Backing bool `json:"backing,omitempty"`
	Own     bool `json:"own,omitempty"` // the backing file that the image itself names: we have made it
	Data    bool `json:"data_file,omitempty"`
}

// DiskOptions say how an image is opened.
type DiskOptions struct {
	ReadOnly bool
	Volatile bool // a power cut takes writes to conventional zones, too
	Direct   bool // file I/O past the page cache where the file can
	Compare  storage.Compare
	L2Cache  uint64 // bytes of L2 tables in memory, of each image; 0: the default

	SnapshotID string // of an internal snapshot to be read in place of the disk; with ReadOnly

	Allow Allow
	Log   *logrus.Logger
}

// OpenDisk opens the image at path with its zones as the image has them.
func OpenDisk(path string, o DiskOptions) (*Disk, error) {
	opened, err := imagefile.Open(path, imagefile.Options{
		Options:      storage.Options{ReadOnly: o.ReadOnly, Direct: o.Direct, Compare: o.Compare},
		AllowBacking: o.Allow.Backing, AllowOwn: o.Allow.Own, AllowData: o.Allow.Data, CacheBytes: o.L2Cache,
		Snapshot: o.SnapshotID,
	})
	if err != nil {
		return nil, err
	}
	return newDisk(opened.File, opened, opened.Image, o)
}

// openDiskIn opens the image in file, which becomes the disk's.
func openDiskIn(file storage.File, o DiskOptions) (*Disk, error) {
	img, err := qcow2.Open(file, qcow2.OpenOptions{ReadOnly: o.ReadOnly, CacheBytes: o.L2Cache})
	if err != nil {
		return nil, err
	}
	return newDisk(file, file, img, o)
}

func newDisk(file storage.File, files io.Closer, img *qcow2.Image, o DiskOptions) (*Disk, error) {
	d := &Disk{file: file, files: files, img: img, log: o.Log, geo: Geometry(img)}
	d.layers = []layer{ownLayer(img.DataWay())}
	for k := 1; k < img.Layers(); k++ {
		d.layers = append(d.layers, newLayer(img.File(uint8(k))))
	}
	d.frozen.Store(o.ReadOnly)
	if o.Volatile && !o.ReadOnly {
		d.volatile = newVolatile()
	}
	var err error
	d.zeros, err = unix.Mmap(-1, 0, ublk.MaxZonedSectors*ublk.SectorBytes, unix.PROT_READ,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	return d, err
}

// Image is the image that the disk serves.
func (d *Disk) Image() *qcow2.Image { return d.img }

// File is the file of the image.
func (d *Disk) File() storage.File { return d.file }

// Rules are the zones and their conditions, once the disk is started.
func (d *Disk) Rules() *zoned.Device { return d.zones }

// Geometry is that of the disk.
func (d *Disk) Geometry() zoned.Geometry { return d.geo }

// Frozen reports whether the disk takes no change any more.
func (d *Disk) Frozen() bool { return d.frozen.Load() }

// LastErrors returns the requests that were refused last, oldest first.
func (d *Disk) LastErrors() []RequestError { return d.lastErrors.list() }

// Start makes the disk ready for requests of at most tags at once. state may
// be nil.
func (d *Disk) Start(tags int, state *statefile.File) error {
	var flights []statefile.Carried
	if state != nil && state.Taken() {
		flights = state.CarryOver()
		switch {
		case state.Cut():
			defer d.cutOff() // the image is read first
		case state.Frozen():
			d.freezeFor(errors.New("the image has failed under the daemon before this one"))
		}
	}
	d.reissue = newReissue(flights)
	t := newChangedZones(d.geo.Zones(), state, d.log)
	t.tracer = &d.tracer
	zones, saved, err := loadZones(d.img, state, t)
	if err != nil {
		return err
	}
	d.zones, d.state = zones, state
	d.zones.KeepHolders(time.Now)
	if state != nil {
		state.EndBarrier() // a dead daemon's: the image is settled
		d.img.TellBarriers(state)
	}
	d.ahead = newReserve(d.geo)
	d.durability = newDurability(d.img, zones, t, d.ahead, saved)
	if d.durability.counters, err = loadCounters(d.img, zones); err != nil {
		return err
	}
	d.flush = d.flushWith(groupcommit.New(d.flushAll))
	if err := errors.Join(d.completeResets(state, saved), d.sweep()); err != nil {
		return fmt.Errorf("clean up above the write pointers: %w", err)
	}
	if state != nil {
		state.SetSlots(d.durability.sum, d.durability.sum)
		state.Fill(zones)
		t.all(d.geo.Zones())
	}
	d.startWorkers(tags)
	return nil
}

// flushWith flushes, unless nothing can have been written.
func (d *Disk) flushWith(g *groupcommit.Group) func() error {
	return func() error {
		if err := d.Failure(); err != nil {
			return err
		}
		if d.img.ReadOnly() {
			return nil
		}
		return g.Wait()
	}
}

// flushAll is one flush for all that share it. A panic is an error of theirs.
func (d *Disk) flushAll() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = d.panicked(v)
		}
	}()
	d.volatile.beginFlush()
	err = d.durability.flush()
	d.volatile.endFlush(err)
	return err
}

// Direct reports whether the data of the image itself can pass the page cache.
func (d *Disk) Direct() bool { return d.layers[0].direct }

// descriptors are those of all files that data is read from and written to; -1
// stands for one that there is not.
func (d *Disk) descriptors() []int {
	var all []int
	for _, l := range d.layers {
		all = append(all, l.fd, l.cached)
	}
	return all
}

// fd is the descriptor for a piece of file I/O. False: the piece needs a buffer
// that is aligned, which a worker has.
func (d *Disk) fd(e qcow2.Extent, piece []byte) (int, bool) {
	l := &d.layers[e.Layer]
	if (uintptr(e.Host)|uintptr(len(piece))|address(piece))&l.mask != 0 {
		return l.cached, e.Layer > 0
	}
	return l.fd, true
}

// Abandon makes Close leave the image as it is, as the end of the process does.
func (d *Disk) Abandon() { d.frozen.Store(true) }

// Discard is Abandon of a disk whose image nobody is to read again: nothing is made durable.
func (d *Disk) Discard() {
	d.frozen.Store(true)
	d.img.Abandon()
}

// Close flushes and closes the image. No request may be on its way.
func (d *Disk) Close() error {
	d.changing.Lock()
	d.closed = true
	d.changing.Unlock()
	if d.tasks != nil {
		close(d.tasks)
		d.working.Wait()
	}
	var err error
	if d.durability != nil && !d.frozen.Load() {
		if err = d.flush(); err == nil {
			err = d.img.CutEnd()
		}
	}
	return errors.Join(err, d.img.Close(), d.files.Close(), unix.Munmap(d.zeros))
}
