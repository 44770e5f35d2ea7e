// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Places in a v6 image made with default clusters: the zoned extension is the
// first, the zone table behind the first three clusters.
const (
	diskSizeAt     = 24
	zoneSizeAt     = 120 + 4
	zoneCapacityAt = 120 + 8
	conventionalAt = 120 + 12
	zoneTableAt    = 3 << 16
)

// What makes sense but no kernel takes can be looked at and exported all the
// same, and the reason is said.
func TestReadableIsMoreThanServable(t *testing.T) {
	for _, c := range []struct {
		name, options string
		spoil         func(b []byte)
		says          string
	}{
		{"short last zone", "size=16M,zone.size=1M", func(b []byte) {
			binary.BigEndian.PutUint64(b[diskSizeAt:], 16<<20-65536)
		}, "the last zone is short"},
		{"zone size no power of two", "size=16M,zone.size=1M", func(b []byte) {
			const size = 3 << 18
			binary.BigEndian.PutUint64(b[diskSizeAt:], 16*size)
			binary.BigEndian.PutUint32(b[zoneSizeAt:], size)
			binary.BigEndian.PutUint32(b[zoneCapacityAt:], size)
			for k := range uint64(16) {
				binary.LittleEndian.PutUint64(b[zoneTableAt+k*8:], k*size)
			}
		}, "zone size 786432 is no power of two"},
		{"all conventional", "size=16M,zone.size=1M", func(b []byte) {
			binary.BigEndian.PutUint32(b[conventionalAt:], 16)
			for k := range uint64(16) {
				binary.LittleEndian.PutUint64(b[zoneTableAt+k*8:], k<<20|1<<59)
			}
		}, "all 16 zones are conventional"},
		{"odd capacity", "size=16M,zone.size=1M", func(b []byte) {
			binary.BigEndian.PutUint32(b[zoneCapacityAt:], 1<<19+512)
		}, "zone capacity 524800 is no multiple of the logical block size 4096"},
		{"too many zones", "size=1088M,zone.size=64K", func([]byte) {}, "17408 zones are more than the 16384"},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "disk.qcow2")
			mustRun(t, "create", "--force", "-o", "zone.mode=host-managed,"+c.options, image)
			b, err := os.ReadFile(image)
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(b)
			if err := os.WriteFile(image, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if info := mustRun(t, "info", image); !strings.Contains(info, "no: ") || !strings.Contains(info, c.says) {
				t.Errorf("info does not say %q:\n%s", c.says, info)
			}
			mustRun(t, "report", image)
			mustRun(t, "check", image)
			mustRun(t, "export", image, image+".plain")
		})
	}
}
