// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"os"
	"strings"
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// countedImage is one of four zones that keeps counters, with some in it.
func countedImage(t *testing.T) (*storagetest.Mem, uint64) {
	t.Helper()
	f := new(storagetest.Mem)
	i := create(t, f, CreateOptions{Size: 4 << 20, ClusterSize: 4096, Zone: &ZoneOptions{Size: 1 << 20, Counters: true}})
	for zone := range uint32(4) {
		if err := i.WriteCounters(zone, format.ZoneCounters{Resets: uint64(zone), Bytes: 4096}); err != nil {
			t.Fatal(err)
		}
	}
	table := i.counterTable()
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	return f, table
}

// TestCounterTable: counters are there after the image was opened again, and its
// clusters are nobody else's.
func TestCounterTable(t *testing.T) {
	f, _ := countedImage(t)
	i, err := Open(f, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Ensure(0, 4<<20, 4<<20); err != nil {
		t.Fatal(err)
	}
	all, err := i.Counters()
	if err != nil || len(all) != 4 || all[3] != (format.ZoneCounters{Resets: 3, Bytes: 4096}) {
		t.Errorf("%+v, %v", all, err)
	}
	if err := i.SetZoneConditions(format.ConditionRun{First: 1, Zones: 1, Condition: format.ZoneOffline}); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Amend(f, AmendOptions{Revision: "v14"}); err != nil {
		t.Fatal(err)
	}
	if i, err = Open(f, OpenOptions{ReadOnly: true}); err != nil || !i.HasCounters() {
		t.Fatal("no counters after set and amend", err)
	}
	if r, err := check.Check(f, check.Options{}); err != nil || !r.Clean() {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestDamagedCounters: what can't be right stops writing, is found by check, and put
// right by a repair of all.
func TestDamagedCounters(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(f *storagetest.Mem, table uint64)
		says   string
	}{
		{"an entry", func(f *storagetest.Mem, table uint64) { f.WriteAt([]byte{1}, int64(table)+64) }, "the counters of zone 1 have a wrong checksum"},
		{"a cluster of something else", func(f *storagetest.Mem, table uint64) {
			f.WriteAt([]byte(strings.Repeat("data", 1024)), int64(table))
		}, "the counters of zone 0 have a wrong checksum"},
		{"counts as free", func(f *storagetest.Mem, table uint64) {
			setRefcount(f, table/4096, 0)
		}, "counter table"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, table := countedImage(t)
			c.damage(f, table)
			if _, err := Open(f, OpenOptions{}); !errors.Is(err, format.ErrCorrupt) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, want %q", err, c.says)
			}
			if _, err := Open(f, OpenOptions{ReadOnly: true}); err != nil {
				t.Error(err)
			}
			r, err := check.Check(f, check.Options{})
			if err != nil || r.Corruptions == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			if r, err = check.Check(f, check.Options{Repair: check.RepairAll}); err != nil || !r.Clean() {
				t.Fatalf("%+v, %v", r, err)
			}
			i, err := Open(f, OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if all, err := i.Counters(); err != nil || all[3].Resets != 3 && c.name != "a cluster of something else" {
				t.Errorf("%+v, %v", all, err)
			}
		})
	}
}

// setRefcount sets the refcount, of 16 bits, of a cluster that the first block counts.
func setRefcount(f *storagetest.Mem, cluster uint64, n byte) {
	h, err := ReadHeader(f)
	if err != nil {
		panic(err)
	}
	var entry [8]byte
	f.ReadAt(entry[:], int64(h.RefcountTableOffset))
	block := uint64(entry[4])<<24 | uint64(entry[5])<<16 | uint64(entry[6])<<8 | uint64(entry[7])
	f.WriteAt([]byte{0, n}, int64(block+2*cluster))
}

// TestQEMUKeepsCounters: stock qemu-img, to which the image is a plain one, keeps the
// extension when it rewrites the header, and leaves the table alone.
func TestQEMUKeepsCounters(t *testing.T) {
	m, table := countedImage(t)
	path := qcow2test.PlainCopy(t, m)
	qemu(t, "qemu-img", "amend", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", path)
	qemu(t, "qemu-io", "-f", "qcow2", "-c", "write -P 5 0 1M", path)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := new(storagetest.Mem)
	f.WriteAt(raw, 0)
	h, err := ReadHeader(f)
	if err != nil {
		t.Fatal(err)
	}
	p, err := format.ParsePrivate(format.FindExtensions(h.Extensions, format.ExtPrivate)[0])
	if err != nil || p.Counters != table {
		t.Fatalf("%+v, %v", p, err)
	}
	c, err := format.DecodeCounters(raw[table+3*format.CounterBytes:], 3)
	if want := (format.ZoneCounters{Resets: 3, Bytes: 4096}); err != nil || c != want {
		t.Errorf("%+v, %v", c, err)
	}
}
