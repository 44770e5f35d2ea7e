// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// AmendOptions say what Amend changes.
type AmendOptions struct {
	Revision string // layout of the zone metadata, one of Revisions

	// Progress, if set, is told how many bytes of L2 tables, of how many, were looked at
	// before anything is changed; that is what takes long. An error ends it there.
	Progress func(done, all uint64) error
}

// Amended is what Amend has done.
type Amended struct {
	From, To string   // layouts
	Changed  bool     // false: there was nothing to do
	Lost     []string // what the new layout has no place for, in words
}

// Amend converts a zoned image in place to another layout of its zone metadata.
// What the layout can't have is refused as an *OptionError before anything is
// written, and so is an image that Check finds corrupt: where a refcount is too low
// the new table would overwrite guest data. Interrupted at any point, the image is
// the old or the new one, and marked dirty as long as clusters may have leaked, so
// that the next Open for writing frees them. A table in the byte order of a big-endian
// host becomes one in the order QEMU writes elsewhere, also when the layout stays.
//
// No other user may have the image open.
func Amend(f storage.File, o AmendOptions) (*Amended, error) {
	to, err := format.LayoutToWrite(o.Revision)
	if err != nil {
		return nil, err
	}
	i, err := Open(f, OpenOptions{amend: true, NoData: true})
	if err != nil {
		return nil, err
	}
	if i.zones == nil {
		i.Close()
		return nil, &format.OptionError{Option: "zone.revision", Value: o.Revision, Rule: "the image is a plain one, it has no zones; zqublkd import makes a zoned one of its disk"}
	}
	from := i.table.Layout
	done := &Amended{From: from.Name, To: to.Name}
	if from == to && i.table.Order == to.ByteOrder() {
		return done, i.Close()
	}
	a := amender{image: i, to: to, done: done}
	err = a.allowed()
	if err == nil {
		err = mustBeClean(f, o.Progress)
	}
	if err == nil {
		err = a.amend()
	}
	if err != nil {
		return nil, errors.Join(err, i.Close())
	}
	done.Changed = true
	return done, i.Close()
}

// amender is one conversion.
type amender struct {
	image *Image
	to    *format.ZoneLayout
	done  *Amended
	next  format.ZoneExtension // to be stored
	table run                  // clusters of the new zone table
}

// allowed says what the new layout or the image has against it.
func (a *amender) allowed() error {
	i := a.image
	a.next = a.extension()
	if err := a.to.CanHold(a.next, i.geo.ClusterSize()); err != nil {
		return err
	}
	if i.header.Version < 3 {
		return &format.UnsupportedError{Feature: "amending an image of qcow2 version 2", WayOut: "make it one of version 3 first: qemu-img amend -o compat=1.1"}
	}
	_, _, _, err := i.planExtensions(a.extensions(a.next))
	return err
}

// mustBeClean refuses an image whose refcounts can't be trusted to tell which
// clusters are free.
func mustBeClean(f storage.File, progress func(done, all uint64) error) error {
	r, err := check.Settled(f, check.Options{MaxFindings: 1, Progress: progress})
	if err == nil && r.Corruptions > 0 {
		err = fmt.Errorf("%w: check finds %d corruptions, and a new zone table might overwrite guest data; run `zqublkd check --repair all` on it first", format.ErrCorrupt, r.Corruptions)
	}
	return err
}

func (a *amender) amend() error {
	if err := a.prepare(); err != nil {
		return err
	}
	i := a.image
	if err := i.replaceExtensions(a.extensions(a.next)); err != nil {
		i.leaky = true // which of the tables is in force now is unknown
		return fmt.Errorf("switching to the new zone table: %w", err)
	}
	a.retire()
	return i.Sync()
}

// prepare makes a new table that nothing refers to yet. If it fails the table is
// given back.
func (a *amender) prepare() error {
	if err := a.place(); err != nil {
		return fmt.Errorf("placing the new zone table: %w", err)
	}
	a.next.TableOffset = a.table.first << a.image.geo.ClusterBits
	err := a.fill()
	if err != nil {
		err = fmt.Errorf("writing the new zone table: %w", err)
	} else {
		err = a.flag()
	}
	if err != nil {
		a.free(a.next.TableOffset)
	}
	return err
}

// extension is that of the image as the new layout can have it, with the table
// where it was.
func (a *amender) extension() format.ZoneExtension {
	i := a.image
	x := i.table.Layout.Decode(format.FindExtensions(i.header.Extensions, format.ExtZoned)[0])
	if a.to.MaxAppend.Width == 0 && x.MaxAppendBytes != 0 {
		a.lose("the append limit of %d bytes: layout %s has no field for it, appends may be as large as a request", x.MaxAppendBytes, a.to.Name)
		x.MaxAppendBytes = 0
	}
	if i.table.Layout.Conditioned {
		a.lose("conditions of open zones, which only layout v3 stores: they are closed")
	}
	return x
}

func (a *amender) lose(format string, args ...any) {
	a.done.Lost = append(a.done.Lost, fmt.Sprintf(format, args...))
}

// place takes fresh clusters for the new table. The image is marked dirty from
// here on until it is closed.
func (a *amender) place() error {
	i := a.image
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.markDirty(); err != nil {
		return err
	}
	x, err := i.refs.takeWhole(i.geo.Clusters(i.zones.TableSize()))
	if err != nil {
		return err
	}
	a.table = x
	return i.regions.add(format.KindZoneTable, x.first<<i.geo.ClusterBits, x.n<<i.geo.ClusterBits)
}

// fill writes the new table. It is durable, with the refcounts of its clusters,
// before anything refers to it.
func (a *amender) fill() error {
	i := a.image
	info := format.NewZonedInfo(a.to, a.next, i.size)
	slots := make([]format.ZoneSlot, 0, info.Zones)
	err := i.EachZone(func(zone uint32, e format.ZoneEntry) error {
		slots = append(slots, format.ZoneSlot{Zone: zone, WP: e.WP})
		return nil
	})
	if err != nil {
		return err
	}
	codec := format.EntryCodec{Layout: a.to, Info: info, Order: a.to.ByteOrder()}
	err = codec.EncodeSlots(slots, func(b []byte, at uint64) error {
		return i.writeMeta(format.KindZoneTable, b, at)
	})
	if err != nil {
		return err
	}
	return i.datasync()
}

// extensions are the image's with the new one in the first place, where one
// write can replace it, and the feature names, which are long, in the last.
func (a *amender) extensions(x format.ZoneExtension) []format.Extension {
	next := []format.Extension{{Type: format.ExtZoned, Data: a.to.Encode(x)}}
	var names []format.Extension
	for _, e := range a.image.header.Extensions {
		switch e.Type {
		case format.ExtZoned, format.ExtVoid:
		case format.ExtFeatureNames:
			names = append(names, e)
		default:
			next = append(next, e)
		}
	}
	return append(next, names...)
}

// flag sets incompatible bit 5, which layout v3 is without and may be with.
func (a *amender) flag() error {
	i := a.image
	if i.marks.has(format.IncompatZoned) {
		return nil
	}
	if err := i.mark(format.IncompatZoned, 0); err != nil {
		return err
	}
	return i.datasync()
}

// retire gives the old table's clusters back. Nothing durable refers to them.
func (a *amender) retire() { a.free(a.image.zones.TableOffset) }

// free gives back a table that nothing durable refers to, at the next Sync.
func (a *amender) free(table uint64) {
	i := a.image
	size := i.zones.TableSize()
	i.regions.remove(table, size)
	i.frees.add(run{table >> i.geo.ClusterBits, i.geo.Clusters(size)})
}
