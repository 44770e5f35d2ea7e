// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func create(t *testing.T) *OSFile {
	t.Helper()
	f, err := Create(filepath.Join(t.TempDir(), "image"), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func mustWrite(t *testing.T, f File, p string, off int64) {
	t.Helper()
	if n, err := f.WriteAt([]byte(p), off); n != len(p) || err != nil {
		t.Fatalf("WriteAt(%q, %d) = %d, %v", p, off, n, err)
	}
}

func mustRead(t *testing.T, f File, off int64, want string) {
	t.Helper()
	p := make([]byte, len(want))
	if _, err := f.ReadAt(p, off); err != nil || string(p) != want {
		t.Fatalf("ReadAt(%d) = %q, %v; want %q", off, p, err, want)
	}
}

func TestOpenRefusesOtherKinds(t *testing.T) {
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for path, word := range map[string]string{
		dir: "directory", fifo: "pipe", socket: "socket", "/dev/null": "character device",
	} {
		for _, ro := range []bool{false, true} {
			_, err := Open(path, Options{ReadOnly: ro})
			if !errors.Is(err, ErrFileType) || !strings.Contains(err.Error(), word) {
				t.Errorf("Open(%s) = %v; want a refusal naming a %s", path, err, word)
			}
		}
	}
	if _, err := Open(filepath.Join(dir, "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	f := create(t)
	path := f.Path()
	mustWrite(t, f, "abc", 0)
	f.Close()
	r, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	mustRead(t, r, 0, "abc")
	_, werr := r.WriteAt([]byte("x"), 0)
	for what, err := range map[string]error{"write": werr, "truncate": r.Truncate(0), "punch": r.PunchHole(0, 1)} {
		if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestCreate(t *testing.T) {
	f := create(t)
	path := f.Path()
	if st, err := os.Stat(path); err != nil || st.Mode().Perm()&^0o644 != 0 || st.Size() != 0 {
		t.Fatalf("%v, %v", st, err)
	}
	mustWrite(t, f, "abc", 0)
	if _, err := Create(path, true); !errors.Is(err, ErrInUse) {
		t.Errorf("overwriting an image in use: %v", err)
	}
	f.Close()
	if _, err := Create(path, false); !errors.Is(err, ErrExists) {
		t.Errorf("existing file: %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "abc" {
		t.Errorf("a refused Create left %q", got)
	}
	g, err := Create(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if size, _ := g.Size(); size != 0 {
		t.Errorf("forced Create left %d bytes", size)
	}
}

func TestTransfer(t *testing.T) {
	data := []byte("0123456789")
	steps := func(replies ...any) transferFunc {
		return func(p []byte, off int64) (int, error) {
			if len(replies) == 0 {
				return copy(p, data[off:]), nil
			}
			r := replies[0]
			replies = replies[1:]
			if err, ok := r.(error); ok {
				return -1, err
			}
			return copy(p[:r.(int)], data[off:]), nil
		}
	}
	cases := map[string]struct {
		fn   transferFunc
		n    int
		want error
	}{
		"at once":            {steps(), 6, nil},
		"interrupted":        {steps(unix.EINTR, unix.EINTR), 6, nil},
		"short":              {steps(1, 2), 6, nil},
		"short, interrupted": {steps(1, unix.EINTR, 2, unix.EINTR), 6, nil},
		"short, then error":  {steps(2, unix.EIO), 2, unix.EIO},
		"short, then end":    {steps(3, 0), 3, io.EOF},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := make([]byte, 6)
			n, err := readAll(c.fn, p, 2)
			if n != c.n || err != c.want || !bytes.Equal(p[:n], data[2:2+n]) {
				t.Errorf("%d %v %q", n, err, p[:n])
			}
		})
	}
	if _, err := writeAll(steps(0), make([]byte, 1), 0); err != io.ErrShortWrite {
		t.Errorf("a write of nothing: %v", err)
	}
}

func TestClosedFileFails(t *testing.T) {
	f := create(t)
	f.Close()
	if err := f.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("read after Close: %v", err)
	}
}
