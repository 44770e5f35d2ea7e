// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// metadataOf is where one cluster of each kind of metadata lies; byte offsets.
func metadataOf(i *Image) map[string]uint64 {
	return map[string]uint64{
		"refcount table": i.header.RefcountTableOffset,
		"refcount block": i.refs.table[0].Offset(),
		"L1 table":       i.header.L1TableOffset,
		"L2 table":       format.L1Entry(i.l1[0].entry.Load()).Offset(),
		"zone table":     i.zones.TableOffset,
	}
}

func overlapImage(t *testing.T) (*storagetest.Mem, *Image) {
	t.Helper()
	m := new(storagetest.Mem)
	i := create(t, m, CreateOptions{Size: 16 << 20, ClusterSize: 4096, Zone: &ZoneOptions{Size: 1 << 20}})
	if err := errors.Join(i.WriteAt(qcow2test.Pattern(0, 4096), 0), i.Close()); err != nil {
		t.Fatal(err)
	}
	i = reopen(t, m)
	if err := i.Resolve(0, 1); err != nil {
		t.Fatal(err)
	}
	return m, i
}

// Metadata with refcount 0 looks free. It is never given out: the image is
// marked corrupt, refuses writes, and loses nothing.
func TestMetadataIsNeverGivenOut(t *testing.T) {
	_, i := overlapImage(t)
	for name, off := range metadataOf(i) {
		t.Run(name, func(t *testing.T) {
			m, i := overlapImage(t)
			if err := i.refs.drop(run{off >> 12, 1}); err != nil {
				t.Fatal(err)
			}
			if name == "zone table" { // known to happen, and looked for
				_, err := Open(m, OpenOptions{})
				mustSay(t, err, format.ErrCorrupt, "counts as free")
				return
			}
			i = reopen(t, m)
			before := m.Bytes()
			err := i.WriteAt(qcow2test.Pattern(0, 4096), 8<<20)
			mustSay(t, err, format.ErrCorrupt, "refcount")
			mustSay(t, i.Failed(), ErrFailed, "corrupt")
			if err := i.WriteAt([]byte{1}, 0); !errors.Is(err, ErrFailed) {
				t.Errorf("another write: %v", err)
			}
			binary.BigEndian.PutUint64(before[format.IncompatibleField:], uint64(format.IncompatZoned|format.IncompatDirty|format.IncompatCorrupt))
			if after := m.Bytes(); !bytes.Equal(before, after[:len(before)]) {
				t.Error("more than the dirty and corrupt bits have changed")
			}
			if _, err := Open(m, OpenOptions{}); !errors.Is(err, format.ErrCorrupt) {
				t.Errorf("opened for writing again: %v", err)
			}
			mustBePattern(t, m, 4096)
		})
	}
}

// An L2 entry that points into metadata, or makes no sense otherwise, is never
// followed; its neighbours are not affected.
func TestSenselessEntriesAreNotFollowed(t *testing.T) {
	_, i := overlapImage(t)
	bad := map[string]uint64{
		"past the end":  1 << 30,
		"astray":        5<<12 + 512,
		"reserved bits": 1<<57 | 1<<12,
		"low bits":      9<<12 | 4,
	}
	for name, off := range metadataOf(i) {
		bad[name] = off
	}
	for name, word := range bad {
		t.Run(name, func(t *testing.T) {
			m, i := overlapImage(t)
			table := metadataOf(i)["L2 table"]
			m.WriteAt(binary.BigEndian.AppendUint64(nil, word|1<<63), int64(table+8))
			i = reopen(t, m)
			before := m.Bytes()
			for op, err := range map[string]error{
				"read": i.ReadAt(make([]byte, 10), 4090), "write": i.WriteAt(make([]byte, 10), 4100),
				"ensure": i.Ensure(0, 8192, 0), "zero": i.MakeZero(4096, 4096),
			} {
				if !errors.Is(err, format.ErrCorrupt) {
					t.Errorf("%s: %v", op, err)
				}
			}
			if x := i.Lookup(4096, 1); x.Kind != Corrupt {
				t.Errorf("looked up as %+v", x)
			}
			binary.BigEndian.PutUint64(before[format.IncompatibleField:], uint64(format.IncompatZoned|format.IncompatCorrupt))
			if !bytes.Equal(before, m.Bytes()) {
				t.Error("not only the corrupt bit was written")
			}
			if err := i.WriteAt(qcow2test.Pattern(0, 4096), 8192); err != nil {
				t.Errorf("write to a neighbour: %v", err)
			}
			mustBePattern(t, m, 4096)
		})
	}
}

// Every write says what it is meant for, and one that would land on anything
// else does not happen.
func TestWritesAreChecked(t *testing.T) {
	for kind := format.KindHeader; kind <= format.KindData; kind <<= 1 {
		_, i := overlapImage(t)
		targets := metadataOf(i)
		targets["header"] = 0
		targets["guest data"] = i.Lookup(0, 1).Host
		for name, off := range targets {
			m, i := overlapImage(t)
			before := m.Bytes()
			err := i.writeMeta(kind, []byte{1, 2, 3}, off+8)
			if (err == nil) != (name == kind.String()) {
				t.Errorf("writing %v onto the %s: %v", kind, name, err)
			}
			after := m.Bytes()
			copy(after[:format.HeaderLength], before) // the corrupt bit
			if err != nil && !bytes.Equal(before, after) {
				t.Errorf("writing %v onto the %s: it happened", kind, name)
			}
		}
	}
}
