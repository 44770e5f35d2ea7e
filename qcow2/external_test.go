// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// withDataFile makes an image whose data goes to a recorded file.
func withDataFile(t *testing.T) (*Image, *storagetest.Recorder) {
	t.Helper()
	m := new(storagetest.Mem)
	if err := Create(m, CreateOptions{Size: 1 << 20, ClusterSize: 4096}); err != nil {
		t.Fatal(err)
	}
	spoil(t, m, func(h *format.Header) { h.Incompatible |= format.IncompatDataFile })
	data := storagetest.NewRecorder(new(storagetest.Mem))
	i, err := Open(m, OpenOptions{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return i, data
}

// A flush covers the data file, and one that fails there is final.
func TestSyncCoversDataFile(t *testing.T) {
	i, data := withDataFile(t)
	if err := errors.Join(i.Ensure(0, 8192, 0), i.WriteAt(qcow2test.Pattern(0, 4096), 0), i.Sync()); err != nil {
		t.Fatal(err)
	}
	ops := data.Ops()
	if last := ops[len(ops)-1]; last.Kind != storagetest.OpSync {
		t.Fatalf("the last operation on the data file is %v", last.Kind)
	}
	data.Inject(storagetest.Fault{Kind: storagetest.OpSync, Nth: 1, Err: unix.EIO})
	if err := i.Sync(); !errors.Is(err, unix.EIO) {
		t.Errorf("flush: %v", err)
	}
	if err := i.Sync(); !errors.Is(err, ErrFailed) {
		t.Errorf("flush after a failed one: %v", err)
	}
}

// A cluster that the map puts elsewhere than at its place on the disk is nobody's.
func TestDataFileMisplaced(t *testing.T) {
	i, _ := withDataFile(t)
	if err := i.WriteAt(qcow2test.Pattern(0, 8192), 0); err != nil {
		t.Fatal(err)
	}
	m, err := i.mapping(0)
	if err != nil || !i.geo.Stored(m.entry) || m.entry.Offset() != 0 {
		t.Fatalf("cluster 0: %+v, %v", m, err)
	}
	at := format.L1Entry(i.l1[0].entry.Load()).Offset()
	if err := i.file.write([]byte{0x80, 0, 0, 0, 0, 0, 0x20, 0}, at); err != nil {
		t.Fatal(err)
	}
	i.dropTable(0)
	if err := i.ReadAt(make([]byte, 1), 0); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("read: %v", err)
	}
	if err := i.ReadAt(make([]byte, 1), 4096); err != nil {
		t.Errorf("read beside it: %v", err)
	}
}
