// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

func zonedIn(t testing.TB, revision string) *storagetest.Mem {
	o := amendImages()["clusters of 64K"]
	m := newAmendImage(t, o)
	if _, err := Amend(m, AmendOptions{Revision: revision}); err != nil {
		t.Fatal(err)
	}
	return m
}

// lenient opens an image as info does and says what it notes.
func lenient(t testing.TB, f storage.File) (*Image, string) {
	t.Helper()
	i, err := Open(f, OpenOptions{ReadOnly: true, Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	notes := i.ZoneNotes()
	for _, r := range i.Obstacles() {
		notes = append(notes, r.Err.Error())
	}
	return i, strings.Join(notes, "\n")
}

// damage is something known to have happened to images. All of it is said by
// info and check, and put right by check --repair all and nothing less.
var damages = []struct {
	name        string
	do          func(t *testing.T, m *storagetest.Mem, layout string)
	info, check string
	writable    bool // all the same
	notes       bool // no corruptions, only notes
}{
	{"finish above the capacity", func(t *testing.T, m *storagetest.Mem, layout string) {
		i := mustOpen(t, m)
		putWord(t, m, i, 5, 6*i.zones.ZoneSize)
	}, "1 full zones are stored above", "zone 5 is full and stored as 0x180000, above its writable end 0x170000", true, true},
	{"bit missing", func(t *testing.T, m *storagetest.Mem, layout string) {
		spoil(t, m, func(h *format.Header) { h.Incompatible &^= format.IncompatZoned })
	}, "without incompatible bit 5", "incompatible bit 5 is clear", false, false},
	{"table freed", func(t *testing.T, m *storagetest.Mem, layout string) {
		i := reopen(t, m)
		i.refs.drop(run{i.zones.TableOffset >> i.geo.ClusterBits, 1})
	}, "counts as free", "has refcount 0 and 1 references: zone table", false, false},
}

// putWord stores an entry as it is.
func putWord(t testing.TB, m *storagetest.Mem, i *Image, zone uint32, word uint64) {
	b := make([]byte, 8)
	i.table.Order.PutUint64(b, word)
	if _, err := m.WriteAt(b, int64(i.zones.TableOffset)+int64(zone)*8); err != nil {
		t.Fatal(err)
	}
}

// asPlain runs a command on a file with the image that does not say that it is
// zoned: what stock QEMU did to those of the series before v6.
func asPlain(t *testing.T, m *storagetest.Mem, command ...string) {
	t.Helper()
	spoil(t, m, func(h *format.Header) { h.Incompatible &^= format.IncompatZoned })
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := os.WriteFile(path, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(command[0], append(command[1:], path)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", command, err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m.Truncate(0)
	m.WriteAt(b, 0)
	spoil(t, m, func(h *format.Header) { h.Incompatible |= format.IncompatZoned })
}

func TestKnownDamage(t *testing.T) {
	for _, d := range damages {
		for _, layout := range format.Revisions {
			t.Run(d.name+" in "+layout, func(t *testing.T) {
				m := zonedIn(t, layout)
				_, want := contentsOf(t, m)
				d.do(t, m, layout)
				if _, said := lenient(t, m); !strings.Contains(said, d.info) {
					t.Errorf("info says %q, want %q", said, d.info)
				}
				if _, err := Open(m, OpenOptions{}); (err == nil) != d.writable {
					t.Errorf("opened for writing: %v", err)
				}
				for _, mode := range []check.Repair{check.RepairNone, check.RepairLeaks} {
					r := qcow2test.MustCheck(t, m, check.Options{Repair: mode})
					if !strings.Contains(qcow2test.Text(r), d.check) || (r.Corruptions == 0) != d.notes {
						t.Errorf("check in mode %d:\n%s\nwant %q", mode, qcow2test.Text(r), d.check)
					}
				}
				if r := qcow2test.MustCheck(t, m, check.Options{Repair: check.RepairAll}); !r.Clean() || len(r.Findings) > 0 {
					t.Fatalf("after repair:\n%s", qcow2test.Text(r))
				}
				if _, said := lenient(t, m); said != "" {
					t.Errorf("info still says %q", said)
				}
				if info, got := contentsOf(t, m); info.Revision != layout || cmp.Diff(want, got) != "" {
					t.Error(cmp.Diff(want, got))
				}
				reopen(t, m)
			})
		}
	}
}

// What qemu-img frees it also empties, and hands out again: such a table can't
// be brought back. It is told from others, and what is left is the disk.
func TestTableLost(t *testing.T) {
	for _, layout := range format.Revisions {
		t.Run(layout, func(t *testing.T) {
			m := zonedIn(t, layout)
			before := mustOpen(t, m.Clone())
			asPlain(t, m, "qemu-img", "check", "-q", "-r", "leaks")
			mustBeLost(t, m, before, "all zeros")
			asPlain(t, m, "qemu-io", "-f", "qcow2", "-c", "write -q 0 64k", "-c", "write -q 64k 64k", "-c", "write -q 128k 64k")
			mustBeLost(t, m, before, "zone table and guest data")
		})
	}
}

func mustBeLost(t *testing.T, m *storagetest.Mem, before *Image, says string) {
	t.Helper()
	if _, said := lenient(t, m); !strings.Contains(said, "zone table") {
		t.Errorf("info says %q", said)
	}
	r := qcow2test.MustCheck(t, m.Clone(), check.Options{Repair: check.RepairAll})
	if r.Clean() || !strings.Contains(qcow2test.Text(r), says) {
		t.Errorf("check, want %q:\n%s", says, qcow2test.Text(r))
	}
	i, err := Open(m, OpenOptions{ReadOnly: true, IgnoreZones: true})
	if err != nil || i.Zoned() != nil {
		t.Fatal(err)
	}
	got, want := make([]byte, 4096), make([]byte, 4096)
	for k := uint32(2); k < 12; k++ {
		at := before.zones.ZoneStart(k)
		if err := errors.Join(i.ReadAt(got, at), before.ReadAt(want, at)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("zone %d: other data, %v", k, err)
		}
	}
}

// A plain image that carries the bit is one of series v5; if something in it is
// leaked, that may be the table of a zoned one, and the bit stays.
func TestBitOnPlainImage(t *testing.T) {
	m := new(storagetest.Mem)
	create(t, m, CreateOptions{Size: 1 << 20})
	spoil(t, m, func(h *format.Header) { h.Incompatible |= format.IncompatZoned })
	leaky := m.Clone()
	if r := qcow2test.MustCheck(t, m, check.Options{Repair: check.RepairAll}); !r.Clean() || r.CorruptionsFixed != 1 {
		t.Error(qcow2test.Text(r))
	}
	if i := reopen(t, m); i.Header().Incompatible != 0 {
		t.Errorf("features %v", i.Header().Incompatible)
	}
	leaky.WriteAt([]byte{0, 1}, 2<<16+2*20) // the refcount block is the third cluster
	leaky.Truncate(21 << 16)
	if r := qcow2test.MustCheck(t, leaky, check.Options{Repair: check.RepairAll}); r.Clean() || r.Leaks != 1 {
		t.Error(qcow2test.Text(r))
	}
}

func TestBigEndianTableIsSaid(t *testing.T) {
	m := zonedIn(t, "v8")
	i := mustOpen(t, m)
	for k, e := range entriesOf(t, i.table) {
		swapped := format.EntryCodec{Layout: i.table.Layout, Info: i.zones, Order: format.LayoutV14.ByteOrder()}
		swapped.EncodeSlots([]format.ZoneSlot{{Zone: uint32(k), WP: e.WP}}, func(b []byte, at uint64) error {
			_, err := m.WriteAt(b, int64(at))
			return err
		})
	}
	if _, said := lenient(t, m); !strings.Contains(said, "big-endian") {
		t.Errorf("info says %q", said)
	}
	if r := qcow2test.MustCheck(t, m, check.Options{}); !r.Clean() || !strings.Contains(qcow2test.Text(r), "zqublkd amend -o zone.revision=v8 rewrites it") {
		t.Error(qcow2test.Text(r))
	}
	if _, err := Amend(m, AmendOptions{Revision: "v8"}); err != nil {
		t.Fatal(err)
	}
	if _, said := lenient(t, m); said != "" {
		t.Errorf("info still says %q", said)
	}
}
