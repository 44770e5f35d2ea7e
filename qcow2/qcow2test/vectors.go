// SPDX-License-Identifier: Apache-2.0

package qcow2test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"zqublkd/internal/storage/storagetest"
)

// Vector is one image made by the tools of a patched QEMU, and what those tools
// said about it.
type Vector struct {
	File        string
	Layout      string
	VirtualSize uint64 `json:"virtual_size"`
	Extension   struct {
		ZoneSize     uint64 `json:"zone_size"`
		ZoneCapacity uint64 `json:"zone_capacity"`
		Conventional uint32 `json:"conventional_zones"`
		Zones        uint32 `json:"nr_zones"`
		MaxActive    uint32 `json:"max_active_zones"`
		MaxOpen      uint32 `json:"max_open_zones"`
		MaxAppend    uint32 `json:"max_append_bytes"`
		TableOffset  uint64 `json:"zonedmeta_offset"`
	}
	Zones []struct {
		Start, Len, WP uint64 // 512-byte sectors
		Cond, Type     int
	}
	RawSHA  string `json:"raw_sha256"`
	FileSHA string `json:"file_sha256"`

	dir string
}

// Vectors returns all vectors of a folder, that of their images and vectors.json.
func Vectors(t testing.TB, dir string) []Vector {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []Vector
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	for k := range list {
		list[k].dir = dir
	}
	return list
}

// Image returns the image, once its checksum has been seen to be right.
func (v *Vector) Image(t testing.TB) *storagetest.Mem {
	t.Helper()
	data := Unzipped(t, filepath.Join(v.dir, filepath.FromSlash(v.File)))
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != v.FileSHA {
		t.Fatalf("%s has sha256 %s, want %s", v.File, got, v.FileSHA)
	}
	return storagetest.NewMem(data)
}

// Unzipped returns what a file holds that gzip has packed.
func Unzipped(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
