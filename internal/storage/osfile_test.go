package storage

import (
	"bytes"
	"errors"
	"io"
	"math"
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

// TestFile holds both implementations to the interface.
func TestFile(t *testing.T) {
	makers := map[string]func(t *testing.T) File{
		"OSFile":   func(t *testing.T) File { return create(t) },
		"Mem":      func(t *testing.T) File { return new(Mem) },
		"Recorder": func(t *testing.T) File { return NewRecorder(new(Mem)) },
	}
	for name, maker := range makers {
		t.Run(name, func(t *testing.T) {
			t.Run("read and write", func(t *testing.T) { testReadWrite(t, maker(t)) })
			t.Run("size", func(t *testing.T) { testSize(t, maker(t)) })
			t.Run("holes", func(t *testing.T) { testHoles(t, maker(t)) })
			t.Run("bad ranges", func(t *testing.T) { testBadRanges(t, maker(t)) })
		})
	}
}

func testReadWrite(t *testing.T, f File) {
	mustWrite(t, f, "hello", 10)
	mustRead(t, f, 8, "\x00\x00hello")
	p := make([]byte, 9)
	if n, err := f.ReadAt(p, 10); n != 5 || err != io.EOF {
		t.Errorf("read across the end = %d, %v; want 5, EOF", n, err)
	}
	if n, err := f.ReadAt(p, 100); n != 0 || err != io.EOF {
		t.Errorf("read behind the end = %d, %v; want 0, EOF", n, err)
	}
	if n, err := f.ReadAt(nil, 100); n != 0 || err != nil {
		t.Errorf("empty read = %d, %v", n, err)
	}
	if err := f.Datasync(); err != nil {
		t.Error(err)
	}
}

func testSize(t *testing.T, f File) {
	mustWrite(t, f, "0123456789", 0)
	for _, size := range []int64{5, 20, 1 << 40, 0} {
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Size(); got != size || err != nil {
			t.Errorf("Size = %d, %v; want %d", got, err, size)
		}
		if size == 20 {
			mustRead(t, f, 0, "01234"+strings.Repeat("\x00", 15))
		}
	}
}

func testHoles(t *testing.T, f File) {
	const unit = 64 << 10
	mustWrite(t, f, string(bytes.Repeat([]byte{7}, 3*unit)), unit)
	if err := f.PunchHole(2*unit+1, unit); err != nil {
		t.Fatal(err)
	}
	mustRead(t, f, 2*unit, "\x07\x00")
	mustRead(t, f, 3*unit, "\x00\x07")
	if err := f.PunchHole(0, 4*unit); err != nil {
		t.Fatal(err)
	}
	if size, _ := f.Size(); size != 4*unit {
		t.Errorf("a punch changed the size to %d", size)
	}
	if at, err := f.SeekData(0); err != io.EOF {
		t.Errorf("data at %d (%v) of a file of holes", at, err)
	}
	mustWrite(t, f, "x", 2*unit)
	if at, err := f.SeekData(5); at != 2*unit || err != nil {
		t.Errorf("SeekData = %d, %v; want %d", at, err, 2*unit)
	}
	if at, err := f.SeekData(8 * unit); err != io.EOF {
		t.Errorf("SeekData behind the end = %d, %v", at, err)
	}
	if err := f.PunchHole(5, 0); err != nil {
		t.Errorf("empty punch: %v", err)
	}
}

func testBadRanges(t *testing.T, f File) {
	p := []byte{1, 2}
	for _, off := range []int64{-1, math.MinInt64, math.MaxInt64} {
		if _, err := f.ReadAt(p, off); err == nil || err == io.EOF {
			t.Errorf("read at %d: %v", off, err)
		}
		if _, err := f.WriteAt(p, off); err == nil {
			t.Errorf("write at %d succeeded", off)
		}
		if f.PunchHole(off, 2) == nil {
			t.Errorf("punch at %d succeeded", off)
		}
	}
	if f.Truncate(-1) == nil || f.PunchHole(0, -1) == nil {
		t.Error("negative length accepted")
	}
	if _, err := f.SeekData(-1); err == nil {
		t.Error("negative seek accepted")
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
