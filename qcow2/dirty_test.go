// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

func dirtyBit(t *testing.T, f storage.File) bool {
	t.Helper()
	r, err := check.Check(f, check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Dirty
}

// The dirty bit is on the disk before any refcount changes, stays there until
// Close, and opening for writing alone does not set it.
func TestDirtyWhileOpen(t *testing.T) {
	m := new(storagetest.Mem)
	create(t, m, CreateOptions{Size: 1 << 20})
	rec := storagetest.NewRecorder(m)
	i := reopen(t, rec)
	if dirtyBit(t, rec) {
		t.Error("dirty as soon as it is open")
	}
	if err := i.WriteAt([]byte("data"), 0); err != nil {
		t.Fatal(err)
	}
	for n := range rec.Len() + 1 {
		for seed := range uint64(20) {
			r, err := check.Check(rec.Crash(n, storagetest.Shuffled(seed)), check.Options{})
			if err != nil || r.Leaks > 0 && !r.Dirty {
				t.Fatalf("after %d operations, %d leaks, dirty %v: %v", n, r.Leaks, r.Dirty, err)
			}
		}
	}
	if err := i.Sync(); err != nil || !dirtyBit(t, rec) {
		t.Errorf("not dirty after a write and a flush (%v)", err)
	}
	if err := i.Close(); err != nil || dirtyBit(t, rec) {
		t.Errorf("dirty after Close (%v)", err)
	}
	qcow2test.MustBeSound(t, rec.Crash(rec.Len(), storagetest.None), true)
}

// An image that was left dirty is freed of leaks when it is opened for writing;
// one with damage is not touched; version 2 has no such bit.
func TestOpenAfterCrash(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(i *Image) error
		opens bool
	}{
		{"sound", func(*Image) error { return nil }, true},
		{"leaks", func(i *Image) error { _, err := i.refs.take(3, 0); return err }, true},
		{"a refcount too low", func(i *Image) error { return i.refs.drop(run{i.Lookup(0, 1).Host >> 16, 1}) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := new(storagetest.Mem)
			i := create(t, m, CreateOptions{Size: 1 << 20})
			if err := errors.Join(i.WriteAt(qcow2test.Pattern(0, 5000), 0), c.spoil(i), i.Sync()); err != nil {
				t.Fatal(err)
			}
			before := m.Bytes()
			_, err := Open(m, OpenOptions{})
			if c.opens {
				if err != nil {
					t.Fatal(err)
				}
				qcow2test.MustBeSound(t, m, true)
				mustBePattern(t, m, 5000)
				return
			}
			mustSay(t, err, ErrDirty, "check --repair all")
			if string(before) != string(m.Bytes()) {
				t.Error("the damaged image was changed")
			}
			if _, err := Open(m, OpenOptions{ReadOnly: true}); err != nil {
				t.Errorf("opening it read-only: %v", err)
			}
		})
	}
}

func TestVersion2IsNeverDirty(t *testing.T) {
	m := new(storagetest.Mem)
	create(t, m, CreateOptions{Size: 1 << 20})
	spoil(t, m, func(h *format.Header) { h.Version = 2 })
	i := reopen(t, m)
	if err := errors.Join(i.WriteAt([]byte("data"), 0), i.Sync()); err != nil {
		t.Fatal(err)
	}
	if i.header.Incompatible != 0 {
		t.Errorf("feature bits %#x in version 2", uint64(i.header.Incompatible))
	}
}
