// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/qcow2test"
	"zqublkd/ublk"
)

// vectors are images made by patched QEMUs, by name: v8/g01-spec-states.qcow2.
func vectors(t testing.TB) map[string]*storagetest.Mem {
	t.Helper()
	const folder = "../../qcow2/testdata"
	files, err := filepath.Glob(folder + "/*/*.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	list := make(map[string]*storagetest.Mem)
	for _, path := range files {
		name, _ := filepath.Rel(folder, path)
		list[strings.TrimSuffix(name, ".gz")] = storagetest.NewMem(qcow2test.Unzipped(t, path))
	}
	return list
}

// TestServeVectors serves each of them, writes, appends, finishes and resets,
// and finds exactly that after a new start, in the layout the image had.
func TestServeVectors(t *testing.T) {
	for name, mem := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			if name == "v6/g10-gt4g.qcow2" {
				if err := Servable(looked(t, mem)); err == nil || !strings.Contains(err.Error(), "check --repair all") {
					t.Errorf("servable: %v", err)
				}
				mustCheck(t, mem, check.RepairAll)
			}
			img := looked(t, mem)
			if err := Servable(img); err != nil {
				t.Fatal(err)
			}
			s := newSimIn(t, mem, 1, 4)
			v := vectorUse{s: s, before: s.report(0, int(s.disk.geo.Zones()))}
			v.changeAll()
			want := s.report(0, len(v.before))
			s.close()
			mustCheck(t, mem, check.RepairNone)
			if got := looked(t, mem).Zoned().Revision; got != strings.SplitN(name, "/", 2)[0] {
				t.Errorf("layout %s after", got)
			}
			again := newSimIn(t, mem, 1, 4)
			v.s = again
			if diff := cmp.Diff(closed(want), again.report(0, len(v.before))); diff != "" {
				t.Error(diff)
			}
			v.readAll()
			again.close()
		})
	}
}

// closed is what a report becomes by a stop: nobody has a zone open.
func closed(zones []ublk.BlkZone) []ublk.BlkZone {
	for k := range zones {
		if c := &zones[k].Cond; *c == ublk.CondImplicitOpen || *c == ublk.CondExplicitOpen {
			*c = ublk.CondClosed
		}
	}
	return zones
}

func looked(t testing.TB, f storage.File) *qcow2.Image {
	t.Helper()
	img, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func mustCheck(t testing.TB, f storage.File, mode check.Repair) {
	t.Helper()
	r, err := check.Check(f, check.Options{Repair: mode})
	if err != nil || !r.Clean() {
		var b bytes.Buffer
		r.WriteText(&b)
		t.Fatalf("check: %v\n%s", err, b.String())
	}
}

// vectorUse changes the first zones of an image and remembers what it wrote.
type vectorUse struct {
	s      *sim
	before []ublk.BlkZone
	wrote  map[uint64][]byte // by byte of the disk
}

// changeAll does something else to each of the first zones, by number.
func (v *vectorUse) changeAll() {
	v.wrote = make(map[uint64][]byte)
	for k, z := range v.before[:min(len(v.before), 24)] {
		start, at := z.Start*ublk.SectorBytes, z.WP*ublk.SectorBytes
		data := pattern(uint64(k), 24<<10)
		switch {
		case z.Type == ublk.ZoneConventional:
			must(v.s.t, "conventional write", v.s.write(start+4096, data))
			v.wrote[start+4096] = data
		case z.Cond == ublk.CondFull || k%4 == 3:
			must(v.s.t, "reset", v.s.zone(ublk.OpZoneReset, start))
			v.wrote[start] = make([]byte, 24<<10)
		case k%4 == 1:
			data = data[:4096] // the least of their append limits
			placed, errno := v.s.append(start, data)
			must(v.s.t, "append", errno)
			v.wrote[placed] = data
			must(v.s.t, "finish", v.s.zone(ublk.OpZoneFinish, start))
		case z.Cond == ublk.CondClosed || k < 4: // any more might pass the limits
			must(v.s.t, "write", v.s.write(at, data))
			v.wrote[at] = data
		}
	}
	must(v.s.t, "flush", v.s.flush())
}

func (v *vectorUse) readAll() {
	for at, data := range v.wrote {
		v.s.mustRead(at, data)
	}
}
