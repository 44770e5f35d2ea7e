// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/qcow2test"
)

// blocks is the space a file takes, in bytes.
func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// On a real file: what is mapped ahead takes no space, what is zeroed gives it
// back, and everything is there after another open.
func TestOnRealFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	f, err := storage.Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	i := create(t, f, CreateOptions{Size: 1 << 30, Zone: &ZoneOptions{Size: 64 << 20}})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(i.Ensure(0, 4096, 64<<20-4096))
	if n := blocks(t, path); n > 1<<20 {
		t.Errorf("a mapped zone takes %d bytes before it is written", n)
	}
	if x := i.Lookup(0, 64<<20); x.Kind != Data || x.Len != 64<<20 {
		t.Errorf("the zone is not one run: %+v", x)
	}
	must(i.WriteAt(qcow2test.Pattern(0, 8<<20), 0))
	must(i.Sync())
	full := blocks(t, path)
	must(i.MakeZero(1<<20, 7<<20))
	must(i.Sync())
	if n := blocks(t, path); n > full-6<<20 {
		t.Errorf("%d bytes of %d are left after 7 MiB were zeroed", n, full)
	}
	must(i.Close())
	must(f.Close())

	f, err = storage.Open(path, storage.Options{ReadOnly: true})
	must(err)
	defer f.Close()
	i, err = Open(f, OpenOptions{ReadOnly: true})
	must(err)
	want := qcow2test.Pattern(0, 9<<20)
	clear(want[1<<20:])
	got := make([]byte, len(want))
	must(i.ReadAt(got, 0))
	if !bytes.Equal(got, want) {
		t.Error("read back wrong")
	}
	qcow2test.MustBeSound(t, f, true)
}
