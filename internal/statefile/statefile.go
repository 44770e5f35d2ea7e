// SPDX-License-Identifier: Apache-2.0

package statefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"zqublkd/zoned"
)

// File is what a device has acknowledged, in a file on tmpfs that is
// mapped into the daemon: it outlives the process, not the boot. A daemon that
// takes the device over begins with exactly this state.
//
// Every change is one store of 8 bytes, so that a process may die anywhere:
//
//	0     header: magic, version, zones, queues, depth, boot id, image identity
//	4048  not 0: handed over, with everything acknowledged durable
//	4056  not 0: a barrier is under way, or has failed
//	4064  sums of the image's zone-table slots: now, and when those being written are there
//	4080  not 0: the words of the zones hold their state
//	4088  not 0: the image could not be made durable; 2: as if its power had been cut
//	4096  one word a zone: write pointer and condition
//	...   one record a tag: what is in flight on it
//	...   records carried over from daemons that died before
//
// A nil File keeps nothing.
type File struct {
	area    []byte
	zones   []atomic.Uint64
	records []tagRecord // of the tags
	carried []tagRecord
	depth   int
	geo     zoned.Geometry
	taken   bool
}

// tagRecord is what one tag has in flight. word is published last.
type tagRecord struct {
	start atomic.Uint64 // 512-byte sector of the disk where the data goes
	word  atomic.Uint64 // recordState, op, sectors and zone
}

type recordState uint64

const (
	recordFree recordState = iota
	recordInFlight
	recordCommitting
)

// carriedPerTag is how many records are kept of earlier daemons for each tag:
// the kernel sends at most one request a tag again, the rest is room for
// records that nobody asks for any more.
const carriedPerTag = 2

const (
	stateMagic  = 0x7a71_7562_7374_6174
	stateHeader = 4096
	sizesAt     = 32 // of the header: the disk, its zones, their capacity
	restedAt    = 4048
	barrierAt   = 4056
	slotsAt     = 4064
	filledAt    = 4080
	frozenAt    = 4088
	recordBytes = int(unsafe.Sizeof(tagRecord{}))
)

// Version is that of state files. Programs of version 1 know neither the mark
// of a reset that has begun nor that of a barrier.
const Version = 2

// Shape is what a state file must fit: the device it belongs to.
type Shape struct {
	BootID      [16]byte
	Dev, Ino    uint64 // of the image
	Geometry    zoned.Geometry
	Queues, Tag uint32 // number of queues, and of tags of each
}

func (s Shape) bytes() int {
	return stateHeader + int(s.Geometry.Zones())*8 + int(s.Queues*s.Tag)*(1+carriedPerTag)*recordBytes
}

func (s Shape) header() []byte {
	var b []byte
	for _, v := range []uint64{stateMagic, Version, s.Dev, s.Ino, s.Geometry.Size, s.Geometry.ZoneSize,
		s.Geometry.ZoneCapacity, uint64(s.Geometry.Conventional), uint64(s.Queues), uint64(s.Tag)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return append(b, s.BootID[:]...)
}

// Create makes the state file at path. It is allocated in full, so that a
// full tmpfs is an error here and not a signal later.
func Create(path string, shape Shape) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(shape.bytes())); err != nil {
		return nil, fmt.Errorf("%s: allocate %d bytes: %w", path, shape.bytes(), err)
	}
	s, err := mapState(f, shape)
	if err != nil {
		return nil, err
	}
	copy(s.area, shape.header())
	return s, nil
}

// Take opens the state file that a dead daemon has left at path. It is
// refused unless it belongs to this boot, image and shape.
func Take(path string, shape Shape) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() != int64(shape.bytes()) {
		return nil, fmt.Errorf("%s: not the state of this device (its size differs): %w", path, errors.Join(err, ErrState))
	}
	s, err := mapState(f, shape)
	if err != nil {
		return nil, err
	}
	if err := s.belongs(shape); err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.taken = true
	return s, nil
}

// belongs is an error if the header is not that of a shape.
func (s *File) belongs(shape Shape) error {
	want := shape.header()
	if string(s.area[:len(want)]) == string(want) {
		return nil
	}
	if shape.isPlain() && string(s.smaller(want)) == string(s.area[:len(want)]) {
		copy(s.area, want)
		return nil
	}
	version := binary.LittleEndian.Uint64(s.area[8:])
	if string(s.area[:8]) == string(want[:8]) && version != Version {
		return fmt.Errorf("version %d of state files, this program reads version %d: delete the device and add its image again: %w",
			version, Version, ErrState)
	}
	return ErrState
}

// isPlain: a disk without zones is one conventional zone.
func (s Shape) isPlain() bool {
	g := s.Geometry
	return g.Conventional == 1 && g.ZoneSize == g.Size && g.ZoneCapacity == g.Size
}

// smaller is the header of a plain disk with each size that the file has, as far as it is no
// larger: such a disk may have grown between two daemons, and a daemon may have died while it
// noted that.
func (s *File) smaller(header []byte) []byte {
	b := append([]byte(nil), header...)
	for at := sizesAt; at < sizesAt+3*8; at += 8 {
		if old := s.area[at : at+8]; binary.LittleEndian.Uint64(old) <= binary.LittleEndian.Uint64(b[at:]) {
			copy(b[at:], old)
		}
	}
	return b
}

// ErrState is a state file of another boot, image or shape of device.
var ErrState = errors.New("state of another boot, image or device")

func mapState(f *os.File, shape Shape) (*File, error) {
	area, err := unix.Mmap(int(f.Fd()), 0, shape.bytes(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	zones, tags := int(shape.Geometry.Zones()), int(shape.Queues*shape.Tag)
	records := unsafe.Slice((*tagRecord)(unsafe.Pointer(&area[stateHeader+zones*8])), tags*(1+carriedPerTag))
	return &File{
		area: area, depth: int(shape.Tag), geo: shape.Geometry,
		zones:   unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(&area[stateHeader])), zones),
		records: records[:tags], carried: records[tags:],
	}, nil
}

// Taken says that the state is a dead daemon's.
func (s *File) Taken() bool { return s.taken }

func (s *File) frozen() *atomic.Uint64 { return s.word(frozenAt) }
func (s *File) filled() *atomic.Uint64 { return s.word(filledAt) }

// word is the word at byte at of the header.
func (s *File) word(at int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&s.area[at]))
}

// SetSlots publishes the sum of the image's slots, and what it will be when those
// being written are there.
func (s *File) SetSlots(now, next uint64) {
	if s != nil {
		s.word(slotsAt + 8).Store(next)
		s.word(slotsAt).Store(now)
	}
}

// Foreign reports whether others have changed slots of the image since: its slots
// are not those the daemon left, and it was not writing any.
func (s *File) Foreign(sum uint64) bool {
	now, next := s.word(slotsAt).Load(), s.word(slotsAt+8).Load()
	return now == next && sum != now
}

// Spend makes the state one that nobody goes on with.
func (s *File) Spend() { s.filled().Store(0) }

// SetFrozen records that the image could not be made durable.
func (s *File) SetFrozen() {
	if s != nil {
		s.frozen().Store(1)
	}
}

// SetCut records that the power of the disk was cut: what the zones' words say is lost.
func (s *File) SetCut() {
	if s != nil {
		s.frozen().Store(powerCut)
		s.Spend()
	}
}

// Cut reports whether a daemon has recorded so.
func (s *File) Cut() bool { return s.frozen().Load() == powerCut }

// powerCut in place of 1, for frozen: also the power was cut.
const powerCut = 2

// Frozen says that a daemon has recorded so.
func (s *File) Frozen() bool { return s.frozen().Load() != 0 }

// BeginBarrier publishes that a barrier is under way: what it meets may be told to
// this process alone.
func (s *File) BeginBarrier() {
	if s != nil {
		s.word(barrierAt).Store(1)
	}
}

// EndBarrier publishes that it has succeeded. One that fails does not end.
func (s *File) EndBarrier() {
	if s != nil {
		s.word(barrierAt).Store(0)
	}
}

// Rest publishes that everything acknowledged is durable, and nothing more comes.
func (s *File) Rest() { s.word(restedAt).Store(1) }

// Emptied reports whether the reset of zone i has begun and has emptied its slot
// in the image, which holds the write pointer saved.
func (s *File) Emptied(i uint32, saved uint64) bool {
	return s.zones[i].Load()&resetting != 0 && saved == s.geo.Start(i)
}

// Close unmaps the file; it stays where it is.
func (s *File) Close() error {
	if s == nil || s.area == nil {
		return nil
	}
	area := s.area
	s.area = nil
	return unix.Munmap(area)
}
