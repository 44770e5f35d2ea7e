package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"

	"zqublkd/internal/storage"
)

// AmendOptions say what Amend changes.
type AmendOptions struct {
	Revision string // layout of the zone metadata, one of Revisions
}

// Amended is what Amend has done.
type Amended struct {
	From, To string   // layouts
	Changed  bool     // false: there was nothing to do
	Lost     []string // what the new layout has no place for, in words
}

// Amend converts a zoned image in place to another layout of its zone metadata.
// What the layout can't have is refused as an *OptionError before anything is
// written. Interrupted at any point, the image is the old or the new one, with
// leaked clusters at worst. A table in the byte order of a big-endian host becomes one in
// the order QEMU writes elsewhere, also when the layout stays.
//
// No other user may have the image open.
func Amend(f storage.File, o AmendOptions) (*Amended, error) {
	to, err := layoutToWrite(o.Revision)
	if err != nil {
		return nil, err
	}
	i, err := Open(f, OpenOptions{amend: true})
	if err != nil {
		return nil, err
	}
	if i.zones == nil {
		i.Close()
		return nil, &OptionError{"zone.revision", o.Revision, "the image is a plain one, it has no zones; zqublkd import makes a zoned one of its disk"}
	}
	from := i.table.layout
	done := &Amended{From: from.name, To: to.name}
	if from == to && i.table.order == to.byteOrder() {
		return done, i.Close()
	}
	a := amender{image: i, to: to, done: done}
	if err := a.amend(); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	done.Changed = true
	return done, i.Close()
}

// amender is one conversion.
type amender struct {
	image *Image
	to    *zoneLayout
	done  *Amended
	table run // clusters of the new zone table
}

func (a *amender) amend() error {
	i := a.image
	x := a.extension()
	if err := a.to.express(x, i.geo.clusterSize()); err != nil {
		return err
	}
	if i.header.Version < 3 {
		return &UnsupportedError{"amending an image of qcow2 version 2", "make it one of version 3 first: qemu-img amend -o compat=1.1"}
	}
	if _, _, _, err := i.planExtensions(a.extensions(x)); err != nil {
		return err
	}
	if err := a.place(); err != nil {
		return fmt.Errorf("placing the new zone table: %w", err)
	}
	x.TableOffset = a.table.first << i.geo.clusterBits
	if err := a.fill(x); err != nil {
		return fmt.Errorf("writing the new zone table: %w", err)
	}
	if err := a.flag(); err != nil {
		return err
	}
	if err := i.replaceExtensions(a.extensions(x)); err != nil {
		return fmt.Errorf("switching to the new zone table: %w", err)
	}
	a.retire()
	return i.Sync()
}

// extension is that of the image as the new layout can have it, with the table
// where it was.
func (a *amender) extension() ZoneExtension {
	i := a.image
	x := i.table.layout.decode(findExtensions(i.header.Extensions, ExtZoned)[0])
	if a.to.maxAppend.width == 0 && x.MaxAppendBytes != 0 {
		a.lose("the append limit of %d bytes: layout %s has no field for it, appends may be as large as a request", x.MaxAppendBytes, a.to.name)
		x.MaxAppendBytes = 0
	}
	if i.table.layout.conditioned {
		a.lose("conditions of open zones, which only layout v3 stores: they are closed")
	}
	return x
}

func (a *amender) lose(format string, args ...any) {
	a.done.Lost = append(a.done.Lost, fmt.Sprintf(format, args...))
}

// place takes fresh clusters for the new table.
func (a *amender) place() error {
	i := a.image
	i.mu.Lock()
	defer i.mu.Unlock()
	x, err := i.refs.takeWhole(i.geo.clusters(i.zones.TableSize()))
	if err != nil {
		return err
	}
	a.table = x
	return i.regions.add(regionZoneTable, x.first<<i.geo.clusterBits, x.n<<i.geo.clusterBits)
}

// fill writes the new table. It is durable, with the refcounts of its clusters,
// before anything refers to it.
func (a *amender) fill(x ZoneExtension) error {
	i := a.image
	info := newZonedInfo(a.to, x, i.size)
	slots := make([]ZoneSlot, 0, info.Zones)
	err := i.EachZone(func(zone uint32, e ZoneEntry) error {
		slots = append(slots, ZoneSlot{zone, e.WP})
		return nil
	})
	if err != nil {
		return err
	}
	codec := entryCodec{a.to, info, a.to.byteOrder()}
	err = codec.encodeSlots(slots, func(b []byte, at uint64) error {
		return i.writeMeta(regionZoneTable, b, at)
	})
	if err != nil {
		return err
	}
	return i.datasync()
}

// extensions are the image's with the new one in the first place, where one
// write can replace it, and the feature names, which are long, in the last.
func (a *amender) extensions(x ZoneExtension) []Extension {
	next := []Extension{{ExtZoned, a.to.encode(x)}}
	var names []Extension
	for _, e := range a.image.header.Extensions {
		switch e.Type {
		case ExtZoned, ExtVoid:
		case ExtFeatureNames:
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
	if i.header.Incompatible&IncompatZoned != 0 {
		return nil
	}
	i.header.Incompatible |= IncompatZoned
	word := binary.BigEndian.AppendUint64(nil, uint64(i.header.Incompatible))
	if err := i.writeMeta(regionHeader, word, incompatibleField); err != nil {
		return err
	}
	return i.datasync()
}

// retire gives the old table's clusters back. Nothing durable refers to them.
func (a *amender) retire() {
	i := a.image
	i.regions.remove(i.zones.TableOffset, i.zones.TableSize())
	i.frees.add(run{i.zones.TableOffset >> i.geo.clusterBits, i.geo.clusters(i.zones.TableSize())})
}
