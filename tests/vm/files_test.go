// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func archive(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Write(bytes.Repeat([]byte{0}, int(h.Size)))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpackFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	err := unpackFiles(bytes.NewReader(archive(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./logs/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "./logs/zeros", Typeflag: tar.TypeReg, Mode: 0o640, Size: 4<<20 + 5},
		tar.Header{Name: "./link", Typeflag: tar.TypeSymlink, Linkname: "logs/zeros"},
		tar.Header{Name: "./pipe", Typeflag: tar.TypeFifo},
	)), dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "link"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != 4<<20+5 || info.Mode().Perm() != 0o640 {
		t.Errorf("size %d mode %v", info.Size(), info.Mode())
	}
	if blocks := info.Sys().(*syscall.Stat_t).Blocks; blocks > 1024 {
		t.Errorf("zeros take %d blocks of 512 bytes: no hole", blocks)
	}
	if _, err := os.Lstat(filepath.Join(dir, "pipe")); !os.IsNotExist(err) {
		t.Errorf("the pipe came along: %v", err)
	}
}

func TestUnpackFilesRefusesToEscape(t *testing.T) {
	dir := t.TempDir()
	for name, entries := range map[string][]tar.Header{
		"dots": {{Name: "../escaped", Typeflag: tar.TypeReg}},
		"link": {{Name: "up", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "up/escaped", Typeflag: tar.TypeReg}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := unpackFiles(bytes.NewReader(archive(t, entries...)), filepath.Join(dir, name)); err == nil {
				t.Error("no error")
			}
			if _, err := os.Lstat(filepath.Join(dir, "escaped")); err == nil {
				t.Error("a file outside the folder")
			}
		})
	}
}

func TestUnpackFilesCut(t *testing.T) {
	whole := archive(t, tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 2000})
	for _, dir := range []string{"", t.TempDir()} {
		if err := unpackFiles(bytes.NewReader(whole[:1500]), dir); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("dir %q: %v", dir, err)
		}
		if err := unpackFiles(bytes.NewReader(make([]byte, 1024)), dir); err != nil {
			t.Errorf("dir %q, the empty archive: %v", dir, err)
		}
	}
}
