// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"path/filepath"
	"testing"

	"zqublkd/internal/storage"
)

// create makes a file of the file system.
func create(t *testing.T) *storage.OSFile {
	t.Helper()
	f, err := storage.Create(filepath.Join(t.TempDir(), "image"), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func mustWrite(t *testing.T, f storage.File, p string, off int64) {
	t.Helper()
	if n, err := f.WriteAt([]byte(p), off); n != len(p) || err != nil {
		t.Fatalf("WriteAt(%q, %d) = %d, %v", p, off, n, err)
	}
}

func mustRead(t *testing.T, f storage.File, off int64, want string) {
	t.Helper()
	p := make([]byte, len(want))
	if _, err := f.ReadAt(p, off); err != nil || string(p) != want {
		t.Fatalf("ReadAt(%d) = %q, %v; want %q", off, p, err, want)
	}
}
