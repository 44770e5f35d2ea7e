// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
)

// spoil changes the header of an image.
func spoil(t testing.TB, m *storagetest.Mem, change func(*format.Header)) {
	t.Helper()
	h, err := format.ParseHeader(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	change(h)
	b, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m.WriteAt(b, 0)
}

// putExtension replaces the data of an extension.
func putExtension(h *format.Header, kind format.ExtensionType, data []byte) {
	for k := range h.Extensions {
		if h.Extensions[k].Type == kind {
			h.Extensions[k].Data = data
			return
		}
	}
	h.Extensions = append(h.Extensions, format.Extension{Type: kind, Data: data})
}

const (
	opensAnyhow = iota
	opensReadOnly
	opensNever
)

// What is refused, for which use, in which words. Every one of these images can
// still be looked at.
func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		plain bool
		spoil func(*format.Header)
		opens int
		is    error
		says  string
	}{
		{"nothing wrong", false, func(*format.Header) {}, opensAnyhow, nil, ""},
		{"dirty and corrupt", false, func(h *format.Header) { h.Incompatible |= format.IncompatDirty | format.IncompatCorrupt }, opensReadOnly, format.ErrCorrupt, "marked so"},
		{"marked corrupt", false, func(h *format.Header) { h.Incompatible |= format.IncompatCorrupt }, opensReadOnly, format.ErrCorrupt, "marked so"},
		{"unknown bit", false, func(h *format.Header) { h.Incompatible |= 1 << 17 }, opensNever, format.ErrUnsupported, "unknown feature bit 17"},
		{"unknown bit with a name", false, func(h *format.Header) {
			h.Incompatible |= 1 << 17
			putExtension(h, format.ExtFeatureNames, format.EncodeFeatureNames([]format.FeatureName{{Type: format.FeatureIncompatible, Bit: 17, Name: "time travel"}}))
		}, opensNever, format.ErrUnsupported, "time travel"},
		{"data file", false, func(h *format.Header) { h.Incompatible |= format.IncompatDataFile }, opensNever, format.ErrUnsupported, "external data file"},
		{"plain data file", true, func(h *format.Header) { h.Incompatible |= format.IncompatDataFile }, opensNever, ErrNotFollowed, "--allow-data-file"},
		{"LUKS", false, func(h *format.Header) { h.CryptMethod = 2 }, opensNever, format.ErrUnsupported, "LUKS"},
		{"AES", true, func(h *format.Header) { h.CryptMethod = 1 }, opensNever, format.ErrUnsupported, "AES"},
		{"backing file", false, func(h *format.Header) { h.BackingFile = "base" }, opensNever, ErrNotFollowed, "--allow-backing"},
		{"plain backing file", true, func(h *format.Header) { h.BackingFile = "base" }, opensNever, ErrNotFollowed, "--allow-backing"},
		{"snapshots", false, func(h *format.Header) { h.SnapshotCount = 2 }, opensNever, format.ErrUnsupported, "2 internal snapshots"},
		{"no snapshot table", true, func(h *format.Header) { h.SnapshotCount = 2 }, opensReadOnly, format.ErrCorrupt, "snapshots"},
		{"too many snapshots", true, func(h *format.Header) { h.SnapshotCount, h.SnapshotsOffset = 1e6, 1<<16 }, opensReadOnly, format.ErrCorrupt, "1000000 snapshots"},
		{"bit without extension", true, func(h *format.Header) { h.Incompatible |= format.IncompatZoned }, opensNever, format.ErrUnsupported, "bit 5"},
		{"extension without bit", false, func(h *format.Header) { h.Incompatible &^= format.IncompatZoned }, opensReadOnly, format.ErrCorrupt, "check --repair all"},
		{"two extensions", false, func(h *format.Header) {
			h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtZoned, Data: make([]byte, 48)})
		}, opensNever, format.ErrCorrupt, "2 zoned header extensions"},
		{"no known length", false, func(h *format.Header) { putExtension(h, format.ExtZoned, make([]byte, 47)) }, opensNever, format.ErrUnsupported, "47 bytes"},
		{"RFC", false, func(h *format.Header) { putExtension(h, format.ExtZoned, make([]byte, 55)) }, opensNever, format.ErrUnsupported, "RFC"},
		{"ZNS series", false, func(h *format.Header) { putExtension(h, format.ExtZoned, make([]byte, 52)) }, opensNever, format.ErrUnsupported, "ZNS"},
		{"all zeros", false, func(h *format.Header) { putExtension(h, format.ExtZoned, make([]byte, 48)) }, opensNever, format.ErrCorrupt, "fits no single known layout"},
		{"not host-managed", false, func(h *format.Header) { zonedByte(h, 0, 2) }, opensNever, format.ErrUnsupported, "zone model 2"},
		{"resized", false, func(h *format.Header) { h.Size -= 1 << 20 }, opensNever, format.ErrCorrupt, "don't make a disk"},
		{"too many conventional", false, func(h *format.Header) { zonedByte(h, 15, 200) }, opensNever, format.ErrCorrupt, "conventional zones"},
		{"capacity above size", false, func(h *format.Header) { zonedByte(h, 8, 1) }, opensNever, format.ErrCorrupt, "zone capacity"},
		{"odd capacity", false, func(h *format.Header) { zonedByte(h, 11, 1); zonedByte(h, 9, 1) }, opensNever, format.ErrCorrupt, "multiple of 512"},
		{"table past the end", false, func(h *format.Header) { zonedByte(h, 40, 1) }, opensNever, format.ErrCorrupt, "past the end"},
		{"table in the header", false, func(h *format.Header) { putExtension(h, format.ExtZoned, withTable(h, 0)) }, opensNever, format.ErrCorrupt, "no cluster"},
		{"table on the L1 table", false, func(h *format.Header) { putExtension(h, format.ExtZoned, withTable(h, h.L1TableOffset)) }, opensNever, format.ErrCorrupt, "is all zeros"},
		{"conventional in header only", false, func(h *format.Header) { zonedByte(h, 15, 2) }, opensNever, format.ErrCorrupt, "zone 1 sequential"},
		{"private version", false, func(h *format.Header) { putExtension(h, format.ExtPrivate, []byte{0, 0, 0, 2, 0, 0, 0, 0}) }, opensNever, format.ErrUnsupported, "version 2"},
		{"two private extensions", false, func(h *format.Header) {
			h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtPrivate, Data: nil})
		}, opensNever, format.ErrCorrupt, "2 private header extensions"},
		{"private record", false, func(h *format.Header) {
			p := format.PrivateExtension{LogicalBlockSize: 4096, Unknown: []format.PrivateRecord{{Tag: format.TagMustUnderstand | 9, Data: nil}}}
			putExtension(h, format.ExtPrivate, p.Encode())
		}, opensReadOnly, format.ErrUnsupported, "0x80000009"},
		{"L1 table short", false, func(h *format.Header) { h.L1Size = 1 }, opensNever, format.ErrCorrupt, "too few"},
		{"L1 table huge", false, func(h *format.Header) { h.L1Size = 1 << 30 }, opensNever, format.ErrCorrupt, "above the limit"},
		{"L1 table astray", false, func(h *format.Header) { h.L1TableOffset += 512 }, opensNever, format.ErrCorrupt, "no cluster of its own"},
		{"L1 table past the end", false, func(h *format.Header) { h.L1TableOffset = 1 << 40 }, opensNever, format.ErrTruncated, "L1 table"},
		{"L1 table on refcounts", false, func(h *format.Header) { h.L1TableOffset = 2 << 12 }, opensReadOnly, format.ErrCorrupt, ""},
		{"refcount table past the end", false, func(h *format.Header) { h.RefcountTableOffset = 1 << 40 }, opensReadOnly, format.ErrTruncated, "refcount table"},
		{"refcount table huge", false, func(h *format.Header) { h.RefcountTableClusters = 1 << 30 }, opensReadOnly, format.ErrCorrupt, "refcount table"},
		{"refcount table absent", false, func(h *format.Header) { h.RefcountTableClusters = 0 }, opensReadOnly, format.ErrCorrupt, "refcount table"},
		{"refcount table astray", false, func(h *format.Header) { h.RefcountTableOffset += 8 }, opensReadOnly, format.ErrCorrupt, "no cluster of its own"},
		{"refcount table on the header", false, func(h *format.Header) { h.RefcountTableOffset = 0 }, opensReadOnly, format.ErrCorrupt, "refcount table"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := CreateOptions{Size: 16 << 20, ClusterSize: 4096, Zone: &ZoneOptions{Size: 1 << 20, Conventional: 1}}
			if c.plain {
				o.Zone = nil
			}
			m := new(storagetest.Mem)
			create(t, m, o)
			spoil(t, m, c.spoil)
			for _, try := range []struct {
				options OpenOptions
				fails   bool
			}{{OpenOptions{}, c.opens > opensAnyhow}, {OpenOptions{ReadOnly: true}, c.opens > opensReadOnly}} {
				_, err := Open(m, try.options)
				switch {
				case try.fails:
					mustSay(t, err, c.is, c.says)
				case err != nil:
					t.Errorf("%+v: %v", try.options, err)
				}
			}
			mustLookAt(t, m, c.is, c.says)
		})
	}
}

// mustLookAt opens an odd image leniently. Only an L1 table that can't be read
// stops that.
func mustLookAt(t *testing.T, m *storagetest.Mem, is error, says string) {
	t.Helper()
	i, err := Open(m, OpenOptions{Lenient: true})
	if err != nil {
		mustSay(t, err, is, says)
		return
	}
	if is == nil {
		return
	}
	if len(i.Obstacles()) == 0 || !i.ReadOnly() {
		t.Fatalf("refusals %v, read-only %v", i.Obstacles(), i.ReadOnly())
	}
	mustSay(t, i.Obstacles()[0].Err, is, says)
	if err := i.ReadAt(make([]byte, 512), 0); err == nil && i.Obstacles()[0].Stops == UseRead {
		t.Errorf("%v: reading gives %v", i.Obstacles()[0], err)
	}
}

func zonedByte(h *format.Header, at int, value byte) {
	data := append([]byte(nil), format.FindExtensions(h.Extensions, format.ExtZoned)[0]...)
	data[at] = value
	putExtension(h, format.ExtZoned, data)
}

func withTable(h *format.Header, off uint64) []byte {
	data := append([]byte(nil), format.FindExtensions(h.Extensions, format.ExtZoned)[0]...)
	binary.BigEndian.PutUint64(data[40:], off)
	return data
}

// What nobody can write right is read, and refused by name for writing.
func TestLayoutV3IsReadOnly(t *testing.T) {
	m := new(storagetest.Mem)
	create(t, m, CreateOptions{Size: 16 << 20, Zone: &ZoneOptions{Size: 1 << 20, MaxAppendBytes: 64 << 10}})
	spoil(t, m, func(h *format.Header) {
		putExtension(h, format.ExtZoned, format.LayoutV3.Encode(format.LayoutV6.Decode(format.FindExtensions(h.Extensions, format.ExtZoned)[0])))
		h.Incompatible &^= format.IncompatZoned
	})
	i, err := Open(m, OpenOptions{ReadOnly: true})
	if err != nil || i.Zoned().Revision != "v3" || i.Zoned().MaxAppendBytes != 64<<10 {
		t.Fatalf("%+v %v", i.Zoned(), err)
	}
	_, err = Open(m, OpenOptions{})
	mustSay(t, err, format.ErrUnsupported, "layout v3")
}

// Geometries a kernel can't take open all the same.
func TestReadableIsMoreThanServable(t *testing.T) {
	for name, change := range map[string]func(*format.Header){
		"zone size no power of two": func(h *format.Header) {
			x := format.LayoutV6.Decode(format.FindExtensions(h.Extensions, format.ExtZoned)[0])
			x.ZoneSize, x.ZoneCapacity = 5<<18, 5<<18
			h.Size = uint64(x.Zones) * x.ZoneSize
			putExtension(h, format.ExtZoned, format.LayoutV6.Encode(x))
		},
		"short last zone": func(h *format.Header) { h.Size -= 512 },
		"limits above the number of zones": func(h *format.Header) {
			x := format.LayoutV6.Decode(format.FindExtensions(h.Extensions, format.ExtZoned)[0])
			x.MaxActive, x.MaxOpen = 1000, 2000
			putExtension(h, format.ExtZoned, format.LayoutV6.Encode(x))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(storagetest.Mem)
			create(t, m, CreateOptions{Size: 16 << 20, Zone: &ZoneOptions{Size: 1 << 20}})
			spoil(t, m, change)
			h, err := format.ParseHeader(m.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			rewriteZones(m, h)
			i, err := Open(m, OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			z := i.Zoned()
			if strings.HasPrefix(name, "limits") && (z.MaxActive != 16 || z.MaxOpen != 16 || z.Stored.MaxOpen != 2000) {
				t.Errorf("limits %+v, stored %+v", z.ZoneLimits, z.Stored)
			}
		})
	}
}

// rewriteZones makes every zone of a v6 image EMPTY.
func rewriteZones(m *storagetest.Mem, h *format.Header) {
	x := format.LayoutV6.Decode(format.FindExtensions(h.Extensions, format.ExtZoned)[0])
	for k := range uint64(x.Zones) {
		m.WriteAt(binary.LittleEndian.AppendUint64(nil, k*x.ZoneSize), int64(x.TableOffset+k*8))
	}
}

// Opening, and what opening for writing changes, leaves unknown extensions alone.
func TestUnknownExtensionsSurvive(t *testing.T) {
	m := new(storagetest.Mem)
	create(t, m, CreateOptions{Size: 1 << 20})
	i := reopen(t, m)
	unknown := format.Extension{Type: format.ExtensionType(0x12345678), Data: []byte("left alone")}
	i.header.Extensions = append(i.header.Extensions, unknown)
	i.header.Autoclear = 5
	b, err := i.header.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m.WriteAt(b, 0)
	h := reopen(t, m).Header()
	if last := h.Extensions[len(h.Extensions)-1]; !cmp.Equal(last, unknown) {
		t.Errorf("extension is now %+v", last)
	}
	if b = m.Bytes(); binary.BigEndian.Uint64(b[format.AutoclearField:]) != 0 {
		t.Error("autoclear bits survived an open for writing")
	}
}

func TestReadOnlyOpenWritesNothing(t *testing.T) {
	m := new(storagetest.Mem)
	create(t, m, CreateOptions{Size: 1 << 20, Zone: &ZoneOptions{Size: 1 << 18}})
	m.WriteAt([]byte{0, 0, 0, 0, 0, 0, 0, 1}, format.AutoclearField)
	m.WriteAt([]byte{1}, 7<<16) // ends within a cluster
	f := storagetest.NewRecorder(m)
	i, err := Open(f, OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"ensure": i.Ensure(0, 1, 0), "write": i.WriteAt([]byte{1}, 0), "zero": i.MakeZero(0, 1),
		"slots": i.WriteZoneSlots([]format.ZoneSlot{{Zone: 0, WP: 512}}),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errors.Join(i.Sync(), i.Close()); err != nil {
		t.Error(err)
	}
	if f.Len() != 0 {
		t.Errorf("%d operations on the file", f.Len())
	}
}
