// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/statefile"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
)

// TestC02_BarriersInTheStateFile: whoever looks at the state file, whenever the
// daemon is killed, sees that a barrier was under way; one that has failed never
// ends.
func TestC02_BarriersInTheStateFile(t *testing.T) {
	rec := storagetest.NewRecorder(storagetest.NewMem(nil))
	if err := qcow2.Create(rec, small()); err != nil {
		t.Fatal(err)
	}
	d, err := openDiskIn(rec, DiskOptions{Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state")
	state, err := statefile.Create(path, statefile.Shape{Geometry: d.geo, Queues: 1, Tag: 4})
	if err != nil {
		t.Fatal(err)
	}
	s := simDiskWith(t, d, 1, 4, state)
	under := func() bool {
		m, err := statefile.ReadMarks(path)
		if err != nil {
			t.Error(err)
		}
		return m.Barrier
	}
	syncs := 0
	rec.Pause(func(k storagetest.OpKind) {
		if k == storagetest.OpSync {
			syncs++
			if !under() {
				t.Errorf("sync %d is not noted", syncs)
			}
		}
	})
	must(t, "write", s.write(testZone, pattern(1, 8192)))
	if must(t, "flush", s.flush()); syncs < 2 || under() {
		t.Errorf("after %d syncs: barrier %v", syncs, under())
	}
	rec.Inject(storagetest.Fault{Kind: storagetest.OpSync, Nth: 1, Err: unix.EIO})
	must(t, "write", s.write(testZone+8192, pattern(1, 8192)))
	if errno := s.flush(); errno == 0 || !under() {
		t.Errorf("a flush that fails: %v, barrier %v", errno, under())
	}
	s.shut()
}
