// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// qemuSHA converts an image to raw with qemu-img and returns its sha256.
func qemuSHA(t testing.TB, f *storagetest.Mem) string {
	t.Helper()
	qcow2test.NeedQEMU(t)
	dir := t.TempDir()
	image, raw := filepath.Join(dir, "i.qcow2"), filepath.Join(dir, "i.raw")
	if err := os.WriteFile(image, f.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sameDisk compares contents, passing over what both call zero.
func sameDisk(t testing.TB, a, b *qcow2.Image) {
	t.Helper()
	if a.VirtualSize() != b.VirtualSize() {
		t.Fatalf("disks of %d and %d bytes", a.VirtualSize(), b.VirtualSize())
	}
	for off := uint64(0); off < a.VirtualSize(); {
		n := a.VirtualSize() - off
		zero := true
		for _, i := range []*qcow2.Image{a, b} {
			x, err := i.LookupResolved(off, n)
			if err != nil {
				t.Fatal(err)
			}
			zero, n = zero && x.Kind == qcow2.Zero, x.Len
		}
		if !zero && !bytes.Equal(readDisk(t, a, off, n), readDisk(t, b, off, n)) {
			t.Fatalf("disks differ in %d bytes at %d", n, off)
		}
		off += n
	}
}

// soundExport checks what every export has to be: clean, plain, and without
// a cluster that isn't needed.
func soundExport(t testing.TB, out *storagetest.Mem) {
	t.Helper()
	r := qcow2test.MustCheck(t, out, check.Options{})
	if len(r.Findings) != 0 || r.ZoneTableClusters != 0 || r.FileSize != r.ImageEndOffset {
		t.Errorf("%s%d bytes of file", qcow2test.Text(r), r.FileSize)
	}
	i := mustOpen(t, out)
	if i.Zoned() != nil || i.Header().Incompatible != 0 {
		t.Errorf("not plain: %+v", i.Header())
	}
}

// TestExportVectors: the disks of the vectors are as we read the originals;
// small ones, for time, also as their makers and QEMU read them.
func TestExportVectors(t *testing.T) {
	for _, v := range qcow2test.Vectors(t, "../testdata") {
		t.Run(v.File, func(t *testing.T) {
			t.Parallel()
			out := new(storagetest.Mem)
			src := mustOpen(t, v.Image(t))
			if err := Export(src, out, ExportOptions{}); err != nil {
				t.Fatal(err)
			}
			soundExport(t, out)
			sameDisk(t, mustOpen(t, out), src)
			if v.VirtualSize > 128<<20 {
				return
			}
			if got := qcow2test.SHA(t, mustOpen(t, out)); got != v.RawSHA {
				t.Errorf("the exported disk has sha256 %s, want %s", got, v.RawSHA)
			}
			if got := qemuSHA(t, out); got != v.RawSHA {
				t.Errorf("QEMU reads the exported disk with sha256 %s, want %s", got, v.RawSHA)
			}
		})
	}
}

// TestExportShapes: any image, as QEMU reads it and its export.
func TestExportShapes(t *testing.T) {
	for name, o := range qcow2test.Shapes {
		t.Run(name, func(t *testing.T) {
			im := qcow2test.NewImage(t, o)
			im.H.Size = min(im.H.Size, 4<<20)
			im.H.Incompatible &^= format.IncompatZoned
			im.H.Extensions = nil
			im.WriteHeader()
			im.PutEntry(4, 0, 0) // its data is not really compressed
			im.PutEntry(5, 0, 0)
			src := mustOpen(t, im)
			want := qemuSHA(t, im.Mem)
			for _, cluster := range []uint64{2048, 64 << 10} {
				out := new(storagetest.Mem)
				if err := Export(src, out, ExportOptions{ClusterSize: cluster}); err != nil {
					t.Fatal(err)
				}
				soundExport(t, out)
				sameDisk(t, mustOpen(t, out), src)
				if cluster != 64<<10 {
					continue
				}
				if got := qemuSHA(t, out); got != want {
					t.Errorf("sha256 %s, want %s", got, want)
				}
			}
		})
	}
}

// TestExportZeroesAboveWritePointers: stale clusters above a write pointer are
// not exported, those of conventional zones are.
func TestExportZeroesAboveWritePointers(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	im.PutEntry(4, 0, 0)
	im.PutEntry(5, 0, 0)
	zone := im.H.Size / qcow2test.Zones // zone 1 starts at this byte
	for k, c := range []byte("AB") {
		cluster := uint64(k+1) * zone >> im.G.ClusterBits
		host := im.Grow(1)
		im.Fill(host, c)
		im.SetRefcount(host, 1)
		im.PutEntry(cluster, host|format.CopiedFlag, 0)
	}
	im.PutZone(1, zone+512)
	cases := []struct {
		name         string
		zone2        uint64
		condition    format.ZoneCondition
		first, other byte // of zone 2, at 0 and 512 bytes
	}{
		{"empty", 2 * zone, format.ZoneNormal, 0, 0},
		{"written", 2*zone + 512, format.ZoneNormal, 'B', 0},
		{"full", 3 * zone, format.ZoneNormal, 'B', 'B'},
		{"read-only", 2*zone + 512, format.ZoneReadOnly, 'B', 0},
		{"offline", 3 * zone, format.ZoneOffline, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			im.PutZone(2, c.zone2)
			if err := reopen(t, im).SetZoneConditions(format.ConditionRun{First: 2, Zones: 1, Condition: c.condition}); err != nil {
				t.Fatal(err)
			}
			out := new(storagetest.Mem)
			if err := Export(mustOpen(t, im), out, ExportOptions{ClusterSize: 4096}); err != nil {
				t.Fatal(err)
			}
			disk := mustOpen(t, out)
			for off, want := range map[uint64]byte{0: 'a', zone: 'A', zone + 511: 'A', zone + 512: 0, 2 * zone: c.first, 2*zone + 512: c.other} {
				b := make([]byte, 1)
				if err := disk.ReadAt(b, off); err != nil || b[0] != want {
					t.Errorf("byte %d is %q (%v), want %q", off, b, err, want)
				}
			}
		})
	}
}

// TestExportModel: whatever was written, the export holds it.
func TestExportModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, 64).Draw(t, "sectors") * 4096
		f := new(storagetest.Mem)
		if err := qcow2.Create(f, qcow2.CreateOptions{Size: size, ClusterSize: 1 << rapid.IntRange(9, 13).Draw(t, "cluster")}); err != nil {
			t.Fatal(err)
		}
		src, err := qcow2.Open(f, qcow2.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, size)
		for range rapid.IntRange(0, 6).Draw(t, "writes") {
			off := rapid.Uint64Range(0, size-1).Draw(t, "off")
			n := rapid.Uint64Range(1, min(size-off, 20000)).Draw(t, "n")
			p := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, int(n))
			copy(want[off:], p)
			if err := src.WriteAt(p, off); err != nil {
				t.Fatal(err)
			}
		}
		out := storagetest.NewMem(bytes.Repeat([]byte{0xee}, 5000))
		done := uint64(0)
		o := ExportOptions{ClusterSize: 1 << rapid.IntRange(9, 13).Draw(t, "out"), Progress: func(n uint64) { done = n }}
		if err := Export(src, out, o); err != nil {
			t.Fatal(err)
		}
		if r, err := check.Check(out, check.Options{}); err != nil || len(r.Findings) != 0 {
			t.Fatal(err, qcow2test.Text(r))
		}
		exported, err := qcow2.Open(out, qcow2.OpenOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, size)
		if err := exported.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) || done != size {
			t.Errorf("contents differ (%v), or only %d of %d bytes done", err, done, size)
		}
	})
}

func TestExportIsSparse(t *testing.T) {
	f := new(storagetest.Mem)
	if err := qcow2.Create(f, qcow2.CreateOptions{Size: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	src, err := qcow2.Open(f, qcow2.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []uint64{0, 1 << 30, 1<<40 - 4096} {
		if err := src.WriteAt(bytes.Repeat([]byte{1}, 4096), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := src.WriteAt(make([]byte, 1<<20), 1<<35); err != nil { // zeros, stored
		t.Fatal(err)
	}
	out := new(storagetest.Mem)
	if err := Export(src, out, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	soundExport(t, out)
	r := qcow2test.MustCheck(t, out, check.Options{})
	if r.AllocatedClusters != 3 || r.FileSize > 2<<20 {
		t.Errorf("%d clusters in %d bytes", r.AllocatedClusters, r.FileSize)
	}
}

// TestExportPassesOverHoles: space set aside and never written is not read.
func TestExportPassesOverHoles(t *testing.T) {
	f := new(storagetest.Mem)
	if err := qcow2.Create(f, qcow2.CreateOptions{Size: 8 << 30}); err != nil {
		t.Fatal(err)
	}
	src, err := qcow2.Open(f, qcow2.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Ensure(0, 8<<30, 0); err != nil {
		t.Fatal(err)
	}
	if err := src.WriteAt([]byte("end"), 8<<30-3); err != nil {
		t.Fatal(err)
	}
	steps := 0
	out := new(storagetest.Mem)
	if err := Export(src, out, ExportOptions{Progress: func(uint64) { steps++ }}); err != nil {
		t.Fatal(err)
	}
	if got := readDisk(t, mustOpen(t, out), 8<<30-4, 4); string(got) != "\x00end" {
		t.Errorf("the disk ends with %q", got)
	}
	if r := qcow2test.MustCheck(t, out, check.Options{}); steps > 2 || r.AllocatedClusters != 1 {
		t.Errorf("%d steps to copy one cluster:\n%s", steps, qcow2test.Text(r))
	}
}

// TestExportFails: an error of either file is returned, and what was written
// till then is no image.
func TestExportFails(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	im.PutEntry(4, 0, 0)
	im.PutEntry(5, 0, 0)
	src := mustOpen(t, im)
	for n := 1; ; n++ {
		out := storagetest.NewRecorder(storagetest.NewMem(im.Bytes()))
		out.Inject(storagetest.Fault{Nth: n, Err: unix.ENOSPC, Moved: 100, Stuck: true})
		err := Export(src, out, ExportOptions{})
		if err == nil {
			return
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		out.Heal()
		if _, err := qcow2.Open(out, qcow2.OpenOptions{ReadOnly: true}); err == nil && n > 1 && n < out.Len() {
			t.Errorf("an image after failure at call %d", n)
		}
	}
}

// TestExportRefusesSenselessZones: without write pointers nobody knows what
// to export.
func TestExportRefusesSenselessZones(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	im.PutZone(2, 1)
	src, err := qcow2.Open(im, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	out := storagetest.NewRecorder(new(storagetest.Mem))
	if err := Export(src, out, ExportOptions{}); !errors.Is(err, format.ErrCorrupt) || out.Len() != 0 {
		t.Errorf("%v after %d writes", err, out.Len())
	}
}

func TestExportRefusesClusterSizes(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 12, Order: 4})
	for _, size := range []uint64{1, 1000, 4 << 20} {
		if err := Export(mustOpen(t, im), new(storagetest.Mem), ExportOptions{ClusterSize: size}); !errors.Is(err, format.ErrOption) {
			t.Errorf("cluster size %d: %v", size, err)
		}
	}
}
