// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

func newBench(t *testing.T) *bench {
	t.Parallel()
	return &bench{T: t, dir: t.TempDir(), spec: spec{version: 3, clusterBits: 16, refcountBits: 16}}
}

// TestBitmaps: bitmaps outlive our writes, marked as what they are: behind.
func TestBitmaps(t *testing.T) {
	b := newBench(t)
	b.create(image, "", "", b.spec, 8<<20)
	b.run("qemu-img", "bitmap", "--add", image, "one")
	b.run("qemu-img", "bitmap", "--add", image, "a longer name")
	b.run("qemu-io", "-c", "write 1M 1M", image)
	o := b.open(false)
	if err := errors.Join(o.Image.WriteAt([]byte("new"), 5<<20), o.Image.Close(), o.Close()); err != nil {
		t.Fatal(err)
	}
	b.check()
	var info struct {
		Specific struct {
			Data struct {
				Bitmaps []struct {
					Name  string
					Flags []string
				}
			}
		} `json:"format-specific"`
	}
	if err := json.Unmarshal([]byte(b.run("qemu-img", "info", "--output=json", image)), &info); err != nil {
		t.Fatal(err)
	}
	if len(info.Specific.Data.Bitmaps) != 2 {
		t.Fatalf("bitmaps: %+v", info)
	}
	for _, m := range info.Specific.Data.Bitmaps {
		if !strings.Contains(strings.Join(m.Flags, " "), "in-use") {
			t.Errorf("bitmap %q has flags %v", m.Name, m.Flags)
		}
	}
	b.run("qemu-img", "bitmap", "--remove", image, "one")
	b.check()
}

// TestDirty: what a killed QEMU leaves with lazy refcounts is read, not written
// before it is repaired, and then whole.
func TestDirty(t *testing.T) {
	b := newBench(t)
	b.spec.lazy = true
	b.create(image, "", "", b.spec, 8<<20)
	cmd := exec.Command("qemu-io", "-c", "write -P 7 1M 3M", "-c", "flush", "-c", "sigraise 9", image)
	cmd.Dir = b.dir
	cmd.Run()
	want := make([]byte, 8<<20)
	copy(want[1<<20:], bytes.Repeat([]byte{7}, 3<<20))
	b.mustEqual("the dirty image", b.ours(), want)
	f, err := storage.Open(b.path(image), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := qcow2.Open(f, qcow2.OpenOptions{}); !errors.Is(err, qcow2.ErrDirty) || !strings.Contains(err.Error(), "check --repair all") {
		t.Fatalf("opened for writing: %v", err)
	}
	if r, err := check.Check(f, check.Options{Repair: check.RepairAll}); err != nil || !r.Clean() || r.Dirty {
		t.Fatalf("repair: %v, %+v", err, r)
	}
	i, err := qcow2.Open(f, qcow2.OpenOptions{})
	if err == nil {
		err = errors.Join(i.WriteAt([]byte{1}, 0), i.Close(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	want[0] = 1
	b.check()
	b.mustEqual("the repaired image", b.raw(), want)
}

// TestEncrypted: refused by name.
func TestEncrypted(t *testing.T) {
	b := newBench(t)
	b.run("qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=x",
		"-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", image, "1M")
	f, err := storage.Open(b.path(image), storage.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true}); !errors.Is(err, format.ErrUnsupported) || !strings.Contains(err.Error(), "LUKS") {
		t.Fatalf("opened: %v", err)
	}
}

// TestUnknown: extensions nobody knows stay, promises nobody knows don't.
func TestUnknown(t *testing.T) {
	b := newBench(t)
	b.create(image, "", "", b.spec, 8<<20)
	f, err := storage.Open(b.path(image), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := qcow2.ReadHeader(f)
	if err != nil {
		t.Fatal(err)
	}
	h.Extensions = append(h.Extensions, format.Extension{Type: 0x12345678, Data: []byte("kept")})
	h.Autoclear, h.Compatible = 1<<20|format.AutoclearBitmaps, 1<<30
	head, err := h.Encode()
	if err == nil {
		_, err = f.WriteAt(head, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	i, err := qcow2.Open(f, qcow2.OpenOptions{})
	if err == nil {
		err = errors.Join(i.WriteAt([]byte{1}, 0), i.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	after, err := qcow2.ReadHeader(f)
	if err != nil {
		t.Fatal(err)
	}
	last := after.Extensions[len(after.Extensions)-1]
	if after.Autoclear != 0 || after.Compatible != 1<<30 || last.Type != 0x12345678 || string(last.Data) != "kept" {
		t.Errorf("autoclear %#x, compatible %#x, last extension %+v", after.Autoclear, after.Compatible, last)
	}
}
