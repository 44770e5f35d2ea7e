// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// qemu runs one of QEMU's tools. Without them nothing here means anything.
func qemu(t testing.TB, tool string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Fatalf("%s is not installed; the Debian package is qemu-utils", tool)
	}
	out, err := exec.Command(tool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// qemuReads returns the disk as qemu-img reads it.
func qemuReads(t testing.TB, m *storagetest.Mem) []byte {
	t.Helper()
	path := qcow2test.PlainCopy(t, m)
	raw := path + ".raw"
	qemu(t, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw)
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// scribble changes the disk in many small ways, and disk alike.
func scribble(t testing.TB, i *Image, disk []byte, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 40 {
		off := rng.Uint64N(i.size)
		n := min(1+rng.Uint64N(3*i.ClusterSize()), i.size-off)
		var err error
		switch rng.IntN(3) {
		case 0:
			err = i.MakeZero(off, n)
			clear(disk[off : off+n])
		case 1:
			err = i.Ensure(off, n, 4*i.ClusterSize())
		default:
			p := qcow2test.Pattern(rng.Uint64(), n)
			err = i.WriteAt(p, off)
			copy(disk[off:], p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// mustSatisfyQEMU: qemu-img finds nothing wrong but the zone table it does not
// know, and reads what we read and what is expected.
func mustSatisfyQEMU(t *testing.T, m *storagetest.Mem, disk []byte) {
	t.Helper()
	i := reopen(t, m)
	leaks := uint64(0)
	if z := i.Zoned(); z != nil {
		leaks = format.DivUp(z.TableSize(), i.ClusterSize())
	}
	if v := qcow2test.QemuCheck(t, m); v.Corruptions != 0 || v.Errors != 0 || v.Leaks != leaks {
		t.Errorf("qemu-img check says %+v, want no corruptions and %d leaks", v, leaks)
	}
	mustRead(t, i, disk)
	if !bytes.Equal(qemuReads(t, m), disk) {
		t.Error("qemu-img reads something else")
	}
}

func mustRead(t *testing.T, i *Image, disk []byte) {
	t.Helper()
	got := make([]byte, i.size)
	if err := i.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, disk) {
		t.Error("the disk is not what was written")
	}
}

func TestCreatedImagesSatisfyQEMU(t *testing.T) {
	zones := &ZoneOptions{Size: 2 << 20, Capacity: 1 << 20, Conventional: 1, MaxActive: 2}
	var shapes []CreateOptions
	for bits := format.MinClusterBits; bits <= format.MaxClusterBits; bits += 2 {
		shapes = append(shapes, CreateOptions{ClusterSize: 1 << bits, Zone: zones})
	}
	for bits := uint32(1); bits <= 64; bits *= 2 {
		shapes = append(shapes, CreateOptions{ClusterSize: 4096, RefcountBits: bits})
	}
	shapes = append(shapes,
		CreateOptions{ExtendedL2: true, Zone: zones},
		CreateOptions{ExtendedL2: true, ClusterSize: 16384},
		CreateOptions{ClusterSize: 512, Zone: &ZoneOptions{Size: 1024}, LogicalBlockSize: 512})
	for k, o := range shapes {
		o.Size = 8<<20 + 4096
		t.Run(fmt.Sprintf("cluster %d bits %d ext %v", o.ClusterSize, o.RefcountBits, o.ExtendedL2), func(t *testing.T) {
			m := new(storagetest.Mem)
			i := create(t, m, o)
			disk := make([]byte, o.Size)
			if k == 0 {
				mustSatisfyQEMU(t, m, disk)
			}
			scribble(t, i, disk, uint64(k))
			if err := i.Close(); err != nil {
				t.Fatal(err)
			}
			mustSatisfyQEMU(t, m, disk)
		})
	}
}

// Images made by qemu-img in every way it knows are read right, and stay right
// for it after we have written to them.
func TestImagesOfQEMU(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.raw")
	disk := sourceDisk()
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	for k, options := range []string{
		"-o compat=0.10",
		"-o compat=0.10,cluster_size=512",
		"-o cluster_size=512,refcount_bits=1",
		"-o cluster_size=4k,refcount_bits=64",
		"-o cluster_size=2M,refcount_bits=8",
		"-o lazy_refcounts=on",
		"-o preallocation=metadata",
		"-o extended_l2=on",
		"-o extended_l2=on,cluster_size=16k -S 512",
		"-c",
		"-c -o cluster_size=512",
		"-c -o cluster_size=4k,compat=0.10",
		"-c -o cluster_size=2M",
		"-c -o compression_type=zstd",
		"-c -o compression_type=zstd,cluster_size=4k,refcount_bits=64",
		"-c -o extended_l2=on",
	} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "image.qcow2")
			args := append([]string{"convert", "-f", "raw", "-O", "qcow2"}, strings.Fields(options)...)
			qemu(t, "qemu-img", append(args, raw, path)...)
			qemu(t, "qemu-io", "-c", "write -z 1M 1M", "-c", "write -z -u 2M 64k", "-c", "discard 3M 256k", path)
			want := bytes.Clone(disk)
			clear(want[1<<20 : 2<<20+64<<10])
			clear(want[3<<20 : 3<<20+256<<10])
			useImageOfQEMU(t, path, want, uint64(k))
		})
	}
}

// sourceDisk is 6 MiB of all kinds of data: patterns, noise and nothing.
func sourceDisk() []byte {
	disk := make([]byte, 6<<20+512)
	rng := rand.New(rand.NewPCG(7, 7))
	copy(disk, qcow2test.Pattern(0, 3<<20))
	for k := 2 << 20; k < 5<<19; k++ {
		disk[k] = byte(rng.Uint32())
	}
	copy(disk[5<<20:], qcow2test.Pattern(9, 1<<19))
	for k := range uint64(64) { // something small every 4 KiB
		copy(disk[4<<20+k*4096:], qcow2test.Pattern(k, 512))
	}
	return disk
}

func useImageOfQEMU(t *testing.T, path string, disk []byte, seed uint64) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := storagetest.NewMem(data)
	f := storagetest.NewRecorder(m)
	if seed%2 == 1 { // zeros by flags and writes
		f.Inject(storagetest.Fault{Kind: storagetest.OpPunch, Nth: 1, Err: storage.ErrNotSupported, Stuck: true})
	}
	i := reopen(t, f)
	mustRead(t, i, disk)
	scribble(t, i, disk, seed)
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	mustSatisfyQEMU(t, m, disk)
	i = reopen(t, f)
	if err := i.MakeZero(0, i.size); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	mustSatisfyQEMU(t, m, make([]byte, len(disk)))
}
