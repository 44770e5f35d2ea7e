// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"zqublkd/internal/heaptest"
)

// counter is an output that keeps nothing.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// runCounted runs a command and returns how many bytes it prints.
func runCounted(t *testing.T, args ...string) int64 {
	t.Helper()
	var out counter
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(new(bytes.Buffer))
	if err := root.Execute(); err != nil {
		t.Errorf("%v: %v", args, err)
	}
	return int64(out)
}

// sharedTable makes an image whose L1 entries all refer to one L2 table, with
// clusters of 512 bytes: short, and with millions of runs.
func sharedTable(t *testing.T, path string, entries int) {
	t.Helper()
	mustRun(t, "create", "-o", "cluster_size=512", "--size", "1M", path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	l1, l2 := uint64(1<<20), uint64(4<<20)
	b = append(b, make([]byte, 5<<20-len(b))...)
	be.PutUint64(b[24:], uint64(entries)*64*512)
	be.PutUint32(b[36:], uint32(entries))
	be.PutUint64(b[40:], l1)
	for k := range uint64(entries) {
		be.PutUint64(b[l1+8*k:], l2)
	}
	for k := range uint64(64) {
		be.PutUint64(b[l2+8*k:], []uint64{l2 + 512, 1, 1<<62 | l2 + 512}[k%3])
	}
	b[l2+512] = 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A map is printed as it is found.
func TestC36_MapStreams(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	sharedTable(t, image, 20000)
	for _, option := range []string{"--json=false", "--json"} {
		heaptest.Bounded(t, 0, func() {
			if n := runCounted(t, "map", option, image); n < 20<<20 {
				t.Errorf("%d bytes printed", n)
			}
		})
	}
}

// Zones are printed as they are looked up.
func TestC39_ReportStreams(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	mustRun(t, "create", "--force", "-o", "zone.mode=host-managed,zone.size=64K", "--size", "64G", image)
	for _, args := range [][]string{{"report"}, {"report", "--json"}, {"info"}} {
		heaptest.Bounded(t, 8<<20, func() { runCounted(t, append(args, image)...) })
	}
}

// Names of snapshots are as long as QEMU takes them, and not all are listed.
func TestC39_InfoOfManySnapshots(t *testing.T) {
	const snapshots, name = 65536, 900
	image := filepath.Join(t.TempDir(), "image")
	mustRun(t, "create", "--size", "1M", image)
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	table := uint64(1 << 20)
	be.PutUint32(b[60:], snapshots)
	be.PutUint64(b[64:], table)
	entry := make([]byte, 40, 40+16+name+8)
	be.PutUint64(entry, be.Uint64(b[40:]))
	be.PutUint16(entry[14:], name)
	be.PutUint32(entry[36:], 16)
	entry = append(entry, make([]byte, 16)...)
	entry = append(entry, bytes.Repeat([]byte{1}, name)...)
	entry = append(entry, make([]byte, -len(entry)&7)...)
	b = append(b, make([]byte, int(table)-len(b))...)
	b = append(b, bytes.Repeat(entry, snapshots)...)
	if err := os.WriteFile(image, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, option := range []string{"--json=false", "--json"} {
		heaptest.Bounded(t, 0, func() {
			if n := runCounted(t, "info", option, image); n > 4<<20 {
				t.Errorf("%d bytes printed", n)
			}
		})
	}
}
