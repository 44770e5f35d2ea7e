// SPDX-License-Identifier: Apache-2.0

package importer

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zqublkd/qcow2"
)

// foreignImport imports a file of these bytes, with the format named or not.
func foreignImport(t *testing.T, path, format string) error {
	t.Helper()
	to := filepath.Join(t.TempDir(), "disk.qcow2")
	err := Import(path, to, Options{Format: format, Image: qcow2.CreateOptions{Zone: &qcow2.ZoneOptions{Size: 1 << 20}}})
	if _, there := os.Stat(to); (there == nil) != (err == nil) {
		t.Errorf("import: %v, and the image: %v", err, there)
	}
	return err
}

// TestC28_ForeignFormatsAreNamed: what bears the mark of another format is not
// taken for a raw disk, unless that is said.
func TestC28_ForeignFormatsAreNamed(t *testing.T) {
	const size = 1 << 20
	for _, c := range []struct {
		name, bytes string
		at          int
	}{
		{"VMDK", "KDMV", 0}, {"VMDK", "COWD", 0}, {"VMDK", "# Disk DescriptorFile", 0}, {"VDI", "\x7f\x10\xda\xbe", 0x40},
		{"VHDX", "vhdxfile", 0}, {"VHD", "conectix", 0}, {"VHD", "conectix", size - 512}, {"QED", "QED\x00", 0},
		{"Parallels", "WithoutFreeSpace", 0}, {"Parallels", "WithouFreSpacExt", 0}, {"Bochs", "Bochs Virtual HD Image", 0},
		{"cloop", "#!/bin/sh\n#V2.0 Format\nmodprobe cloop", 0}, {"DMG", "koly", size - 512}, {"LUKS", "LUKS\xba\xbe", 0},
		{"gzip", "\x1f\x8b\x08", 0}, {"bzip2", "BZh9", 0}, {"xz", "\xfd7zXZ\x00", 0}, {"zstd", "\x28\xb5\x2f\xfd", 0},
		{"LZ4", "\x04\x22\x4d\x18", 0}, {"zip", "PK\x03\x04", 0}, {"7z", "7z\xbc\xaf\x27\x1c", 0}, {"tar", "ustar", 257},
	} {
		path := filepath.Join(t.TempDir(), "source")
		b := make([]byte, size)
		copy(b[c.at:], c.bytes)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		err := foreignImport(t, path, "")
		if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), c.name) || !strings.Contains(err.Error(), "--format raw") {
			t.Errorf("%s at %d: %v", c.name, c.at, err)
		}
		if err := foreignImport(t, path, FormatRaw); err != nil {
			t.Errorf("%s as raw: %v", c.name, err)
		}
	}
}

// TestC28_WhatQEMUWrites: the marks are those that qemu-img writes; a raw disk
// with a boot sector has none.
func TestC28_WhatQEMUWrites(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	b := make([]byte, 1<<20)
	b[510], b[511], b[4096] = 0x55, 0xaa, 1
	if err := os.WriteFile(raw, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := foreignImport(t, raw, ""); err != nil {
		t.Error(err)
	}
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Log("qemu-img is not installed")
		return
	}
	for _, args := range []string{"vmdk", "vdi", "vhdx", "qed", "vpc", "vpc -o subformat=fixed", "parallels", "vmdk -o subformat=monolithicFlat"} {
		path := filepath.Join(dir, strings.ReplaceAll(args, " ", "_"))
		all := append([]string{"convert", "-f", "raw", "-O"}, append(strings.Fields(args), raw, path)...)
		if out, err := exec.Command("qemu-img", all...).CombinedOutput(); err != nil {
			if strings.Contains(string(out), "Unknown file format") {
				continue // of a QEMU built without it
			}
			t.Fatalf("%s: %v: %s", args, err, out)
		}
		if err := foreignImport(t, path, ""); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
