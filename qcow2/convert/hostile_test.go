// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"encoding/binary"
	"io"
	"slices"
	"testing"
	"time"

	"zqublkd/internal/heaptest"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// A million zones and many runs of conditions: an export asks for each zone.
func TestC39_ExportOfManyConditions(t *testing.T) {
	const zones, runs, size = 1 << 20, 80000, 2 << 20
	m := new(storagetest.Mem)
	create(t, m, qcow2.CreateOptions{Size: zones * size, ClusterSize: 2 << 20, Zone: &qcow2.ZoneOptions{Size: size, Revision: "v6"}}).Close()
	i, err := qcow2.Open(m, qcow2.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var p format.PrivateExtension
	for k := range uint32(runs) {
		p.Conditions = append(p.Conditions, format.ConditionRun{First: zones - 2*runs + 2*k, Zones: 1, Condition: format.ZoneOffline})
	}
	h := *i.Header()
	h.Extensions = slices.DeleteFunc(slices.Clone(h.Extensions), func(x format.Extension) bool { return x.Type == format.ExtPrivate })
	h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtPrivate, Data: p.Encode()})
	must(t, i.Close())
	b, err := h.Encode()
	must(t, err)
	_, err = m.WriteAt(b, 0)
	must(t, err)
	// Every zone claims to be full, so that each has to be looked up.
	for k := range uint64(zones) {
		word := binary.LittleEndian.AppendUint64(nil, (k+1)*size)
		m.WriteAt(word, int64(i.Zoned().TableOffset+k*format.ZoneEntrySize))
	}
	if i, err = qcow2.Open(m, qcow2.OpenOptions{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := Export(i, new(storagetest.Mem), ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > heaptest.MostTime {
		t.Errorf("took %v", took)
	}
}

// A table that is lost is given up once, for all that it maps, and the rest of the disk is
// found all the same.
func TestUnreadableTables(t *testing.T) {
	const covered = 512 << 20 // by a table
	m := new(storagetest.Mem)
	i := create(t, m, qcow2.CreateOptions{Size: 8 * covered})
	want := qcow2test.Pattern(0, 4096)
	must(t, i.WriteAt(want, 7*covered))
	must(t, i.WriteAt(want, 3*covered))
	must(t, i.Close())
	l1 := int64(i.Header().L1TableOffset)
	for _, k := range []int64{1, 2, 6} {
		_, err := m.WriteAt(binary.BigEndian.AppendUint64(nil, 1<<50), l1+8*k)
		must(t, err)
	}
	i, err := qcow2.Open(m, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	must(t, err)
	var told []uint64
	o := ExportOptions{Unreadable: func(off, n uint64, _ error) { told = append(told, off, n) }}
	for name, export := range map[string]func(out *storagetest.Mem) error{
		"qcow2": func(out *storagetest.Mem) error { return Export(i, out, o) },
		"raw":   func(out *storagetest.Mem) error { return ExportRaw(i, RawStream{io.Discard}, o) },
	} {
		told = nil
		out := new(storagetest.Mem)
		must(t, export(out))
		if !slices.Equal(told, []uint64{covered, covered, 2 * covered, covered, 6 * covered, covered}) {
			t.Errorf("%s: %d", name, told)
		}
		if name == "raw" {
			continue
		}
		copied := mustOpen(t, out)
		for _, at := range []uint64{3 * covered, 7 * covered} {
			if !slices.Equal(readDisk(t, copied, at, 4096), want) {
				t.Errorf("%s: other data at %d", name, at)
			}
		}
	}
}
