// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

func mustOpen(t testing.TB, f storage.File) *qcow2.Image {
	t.Helper()
	i, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func readDisk(t testing.TB, i *qcow2.Image, off, n uint64) []byte {
	t.Helper()
	p := make([]byte, n)
	if err := i.ReadAt(p, off); err != nil {
		t.Fatal(err)
	}
	return p
}

// create makes an image in memory and opens it.
func create(t testing.TB, f storage.File, o qcow2.CreateOptions) *qcow2.Image {
	t.Helper()
	if err := qcow2.Create(f, o); err != nil {
		t.Fatal(err)
	}
	return reopen(t, f)
}

func reopen(t testing.TB, f storage.File) *qcow2.Image {
	t.Helper()
	i, err := qcow2.Open(f, qcow2.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustSay: the error is of a kind and names the thing, in one line.
func mustSay(t *testing.T, err, is error, says string) {
	t.Helper()
	if !errors.Is(err, is) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q, want one line, %q, that says %q", err, is, says)
	}
}

func mustRead(t *testing.T, i *qcow2.Image, disk []byte) {
	t.Helper()
	got := make([]byte, i.VirtualSize())
	if err := i.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, disk) {
		t.Error("the disk is not what was written")
	}
}

// zonesOf reads a zone table through.
func zonesOf(t rapid.TB, i *qcow2.Image) (all []format.ZoneEntry) {
	t.Helper()
	err := i.EachZone(func(_ uint32, e format.ZoneEntry) error {
		all = append(all, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const goldenZone = 256 << 10 // bytes

// golden is an image of eight zones, the first conventional, with data below its
// write pointers and, in zone 5, above.
func golden(t testing.TB, o qcow2.CreateOptions, disk []byte) *storagetest.Mem {
	t.Helper()
	m := new(storagetest.Mem)
	if o.Size == 0 {
		o.Size = 8 * goldenZone
	}
	if o.Zone == nil {
		o.Zone = &qcow2.ZoneOptions{Capacity: 192 << 10, MaxActive: 6, MaxOpen: 4}
	}
	o.Zone.Size, o.Zone.Conventional = goldenZone, 1
	i := create(t, m, o)
	for k, n := range []uint64{8192, 0, 192 << 10, 68 << 10, 4096, 0, 100 << 10, 192 << 10} {
		at := uint64(k) * goldenZone
		p := qcow2test.Pattern(at, n)
		copy(disk[at:], p)
		must(t, i.WriteAt(p, at))
		if k > 0 {
			must(t, i.WriteZoneSlots([]format.ZoneSlot{{Zone: uint32(k), WP: at + n}}))
		}
	}
	must(t, i.WriteAt(qcow2test.Pattern(7, 8192), 5*goldenZone))
	must(t, i.SetZoneConditions(format.ConditionRun{First: 3, Zones: 1, Condition: format.ZoneReadOnly}, format.ConditionRun{First: 6, Zones: 2, Condition: format.ZoneOffline}))
	must(t, i.Close())
	return m
}

// onBase are options for an overlay of an image.
func onBase(t testing.TB, base storage.File, name string) *qcow2.BackingOptions {
	t.Helper()
	i, err := qcow2.Open(base, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	must(t, err)
	return &qcow2.BackingOptions{Name: name, Format: "qcow2", Image: i}
}

// openOver opens an overlay of images, the lowest first.
func openOver(t testing.TB, m storage.File, below ...storage.File) *qcow2.Image {
	t.Helper()
	i, err := tryOver(m, qcow2.OpenOptions{}, below...)
	must(t, err)
	return i
}

func tryOver(m storage.File, o qcow2.OpenOptions, below ...storage.File) (*qcow2.Image, error) {
	for _, f := range below {
		i, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Base: o.Base})
		if err != nil {
			return nil, err
		}
		if o.Base, err = qcow2.BaseImage(i); err != nil {
			return nil, err
		}
	}
	return qcow2.Open(m, o)
}

// qemuReads returns the disk as qemu-img reads it.
func qemuReads(t testing.TB, m *storagetest.Mem) []byte {
	t.Helper()
	path := qcow2test.PlainCopy(t, m)
	raw := path + ".raw"
	if out, err := exec.Command("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
