// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

func TestCreateRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		o    CreateOptions
		z    *ZoneOptions
		opt  string
		says string
	}{
		{"no size", CreateOptions{}, nil, "size", "needs a size"},
		{"odd size", CreateOptions{Size: 1<<20 + 256}, nil, "size", "logical block size 512"},
		{"size for the L1 table", CreateOptions{Size: 1 << 40, ClusterSize: 512}, nil, "size", "larger cluster_size"},
		{"largest size", CreateOptions{Size: 1<<64 - 4096}, nil, "size", "at most"},
		{"cluster size", CreateOptions{Size: 1 << 20, ClusterSize: 3000}, nil, "cluster_size", "power of two"},
		{"small clusters", CreateOptions{Size: 1 << 20, ClusterSize: 256}, nil, "cluster_size", "512"},
		{"large clusters", CreateOptions{Size: 1 << 20, ClusterSize: 4 << 20}, nil, "cluster_size", "2M"},
		{"refcount bits", CreateOptions{Size: 1 << 20, RefcountBits: 24}, nil, "refcount_bits", "power of two"},
		{"wide refcounts", CreateOptions{Size: 1 << 20, RefcountBits: 128}, nil, "refcount_bits", "64"},
		{"logical block", CreateOptions{Size: 1 << 20, LogicalBlockSize: 1024}, nil, "logical_block_size", "512 or 4096"},
		{"extended L2", CreateOptions{Size: 1 << 20, ClusterSize: 4096, ExtendedL2: true}, nil, "extended_l2", "16K"},
		{"revision", CreateOptions{}, &ZoneOptions{Revision: "v7"}, "zone.revision", "v6"},
		{"revision not written", CreateOptions{}, &ZoneOptions{Revision: "v3"}, "zone.revision", "v6, v8, v11, v14"},
		{"append limit in v14", CreateOptions{}, &ZoneOptions{Revision: "v14", Size: 1 << 20, MaxAppendBytes: 4096}, "zone.max_append_bytes", "zone.revision=v6 or v8 or v11 can"},
		{"zone size", CreateOptions{}, &ZoneOptions{Size: 3 << 20}, "zone.size", "power of two"},
		{"zone below cluster", CreateOptions{}, &ZoneOptions{Size: 32 << 10}, "zone.size", "cluster_size"},
		{"zone below block", CreateOptions{ClusterSize: 512}, &ZoneOptions{Size: 1024}, "zone.size", "logical block size"},
		{"too many zones", CreateOptions{Size: 1 << 40}, &ZoneOptions{Size: 64 << 10}, "zone.size", "larger zones"},
		{"large zones", CreateOptions{Size: 1 << 40}, &ZoneOptions{Size: 4 << 30}, "zone.size", "zone.revision=v8 or v11 or v14 can"},
		{"all conventional", CreateOptions{}, &ZoneOptions{Size: 1 << 20, Conventional: 64}, "zone.conventional_zones", "below the number of zones, 64"},
		{"capacity above size", CreateOptions{}, &ZoneOptions{Size: 1 << 20, Capacity: 2 << 20}, "zone.capacity", "zone.size"},
		{"odd capacity", CreateOptions{}, &ZoneOptions{Size: 1 << 20, Capacity: 5120}, "zone.capacity", "logical block size"},
		{"odd append", CreateOptions{}, &ZoneOptions{Size: 1 << 20, MaxAppendBytes: 512}, "zone.max_append_bytes", "logical block size"},
		{"append up to capacity", CreateOptions{}, &ZoneOptions{Size: 1 << 20, MaxAppendBytes: 1 << 20}, "zone.max_append_bytes", "below zone.capacity"},
		{"active above zones", CreateOptions{}, &ZoneOptions{Size: 1 << 20, MaxActive: 65}, "zone.max_active_zones", "number of zones, 64"},
		{"open above active", CreateOptions{}, &ZoneOptions{Size: 1 << 20, MaxActive: 3, MaxOpen: 4}, "zone.max_open_zones", "zone.max_active_zones (3)"},
		{"open above zones", CreateOptions{}, &ZoneOptions{Size: 1 << 20, MaxOpen: 65}, "zone.max_open_zones", "number of zones, 64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.o.Zone = c.z; c.z != nil && c.o.Size == 0 {
				c.o.Size = 64 << 20
			}
			m := new(storagetest.Mem)
			err := Create(m, c.o)
			mustSay(t, err, format.ErrOption, c.says)
			var option *format.OptionError
			if errors.As(err, &option) && option.Option != c.opt {
				t.Errorf("blames %s, not %s", option.Option, c.opt)
			}
			if size, _ := m.Size(); size != 0 {
				t.Error("something was written")
			}
		})
	}
}

func TestCreateDefaults(t *testing.T) {
	i := create(t, new(storagetest.Mem), CreateOptions{Size: 1 << 40, Zone: &ZoneOptions{}})
	z := i.Zoned()
	if i.ClusterSize() != 65536 || i.LogicalBlockSize() != 4096 || i.Header().RefcountOrder != 4 || i.Header().Version != 3 {
		t.Errorf("cluster %d, block %d, refcount order %d", i.ClusterSize(), i.LogicalBlockSize(), i.Header().RefcountOrder)
	}
	if z.Revision != "v6" || z.ZoneSize != 256<<20 || z.ZoneCapacity != z.ZoneSize || z.Zones != 4096 || z.TableOffset != 0x30000 {
		t.Errorf("zones %+v", z)
	}
	if len(i.Header().FeatureNames()) != 9 || i.Header().Incompatible != format.IncompatZoned {
		t.Errorf("features %v, names %v", i.Header().Incompatible, i.Header().FeatureNames())
	}
}

// An image made with the same options as one by a patched QEMU has the same
// extension, byte for byte, the same feature names and the same zone table.
func TestCreateAsQEMUDoes(t *testing.T) {
	n := 0
	for _, v := range qcow2test.Vectors(t, "testdata") {
		if !strings.HasSuffix(v.File, "/g00-empty-spec-example.qcow2.gz") {
			continue
		}
		n++
		theirs, err := Open(v.Image(t), OpenOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		x := v.Extension
		ours := create(t, new(storagetest.Mem), CreateOptions{Size: v.VirtualSize, Zone: &ZoneOptions{
			Revision: v.Layout, Size: x.ZoneSize, MaxOpen: x.MaxOpen, MaxActive: x.MaxActive, MaxAppendBytes: x.MaxAppend}})
		for _, kind := range []format.ExtensionType{format.ExtZoned, format.ExtFeatureNames} {
			want := format.FindExtensions(theirs.Header().Extensions, kind)
			if diff := cmp.Diff(want, format.FindExtensions(ours.Header().Extensions, kind)); diff != "" {
				t.Errorf("extension %#x: %s", uint32(kind), diff)
			}
		}
		if diff := cmp.Diff(tableBytes(t, theirs), tableBytes(t, ours)); diff != "" {
			t.Errorf("%s: zone table: %s", v.File, diff)
		}
	}
	if n != 3 {
		t.Fatalf("%d such images in testdata", n)
	}
}

func tableBytes(t *testing.T, i *Image) []byte {
	b := make([]byte, i.zones.TableSize())
	if err := i.file.read(b, i.zones.TableOffset); err != nil {
		t.Fatal(err)
	}
	return b
}

// Limits no zone can reach are stored as none; open follows active.
func TestCreateLimits(t *testing.T) {
	for _, c := range []struct {
		name         string
		open, active uint32
		want         format.ZoneLimits
	}{
		{"none", 0, 0, format.ZoneLimits{}},
		{"active only", 0, 5, format.ZoneLimits{MaxOpen: 5, MaxActive: 5, MaxAppendBytes: 8192}},
		{"open only", 5, 0, format.ZoneLimits{MaxOpen: 5, MaxActive: 0, MaxAppendBytes: 8192}},
		{"both", 4, 5, format.ZoneLimits{MaxOpen: 4, MaxActive: 5, MaxAppendBytes: 8192}},
		{"all sequential", 60, 60, format.ZoneLimits{}},
		{"all zones", 64, 64, format.ZoneLimits{}},
		{"active all", 7, 60, format.ZoneLimits{MaxOpen: 7, MaxActive: 0, MaxAppendBytes: 8192}},
	} {
		t.Run(c.name, func(t *testing.T) {
			z := &ZoneOptions{Size: 1 << 20, Conventional: 4, MaxOpen: c.open, MaxActive: c.active, MaxAppendBytes: 8192}
			i := create(t, new(storagetest.Mem), CreateOptions{Size: 64 << 20, Zone: z})
			c.want.MaxAppendBytes = 8192
			if got := i.Zoned(); got.Stored != c.want || got.ZoneLimits != c.want {
				t.Errorf("stored %+v, in force %+v, want %+v", got.Stored, got.ZoneLimits, c.want)
			}
		})
	}
}

// Whatever the file held, a create that is cut short leaves no image, and one
// that isn't leaves a sound and empty one.
func TestCreateIsAllOrNothing(t *testing.T) {
	m := new(storagetest.Mem)
	create(t, m, CreateOptions{Size: 1 << 20, ClusterSize: 4096})
	m.WriteAt(make([]byte, 1<<20), 1<<20)
	f := storagetest.NewRecorder(m)
	o := CreateOptions{Size: 16 << 20, ClusterSize: 512, RefcountBits: 64, LogicalBlockSize: 512, Zone: &ZoneOptions{Size: 4096}}
	if err := Create(f, o); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < f.Len(); n++ {
		for seed := range uint64(4) {
			left := f.Crash(n, storagetest.Shuffled(seed))
			if _, err := Open(left, OpenOptions{}); err == nil {
				qcow2test.MustBeSound(t, left, true)
			} else if !errors.Is(err, format.ErrNotQcow2) {
				t.Fatalf("after %d operations: %v", n, err)
			}
		}
	}
	qcow2test.MustBeSound(t, m, true)
}

// The structures of tiny clusters and huge disks count each other right.
func TestCreateExtremes(t *testing.T) {
	for name, o := range map[string]CreateOptions{
		"large with 512":        {Size: 32 << 30, ClusterSize: 512, RefcountBits: 64},
		"largest with 64K":      {Size: 2 << 50},
		"largest with 2M":       {Size: 1 << 61, ClusterSize: 2 << 20, RefcountBits: 1},
		"smallest":              {Size: 512, ClusterSize: 2 << 20, LogicalBlockSize: 512},
		"most zones":            {Size: 1 << 36, Zone: &ZoneOptions{Size: 64 << 10}},
		"zones of 2 GiB":        {Size: 1 << 40, Zone: &ZoneOptions{Size: 2 << 30}},
		"zones in tiny cluster": {Size: 1 << 30, ClusterSize: 512, Zone: &ZoneOptions{Size: 4096 * 16}},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(storagetest.Mem)
			i := create(t, m, o)
			for _, off := range []uint64{0, o.Size / 3 / 512 * 512, o.Size - 512} {
				if err := i.WriteAt(qcow2test.Pattern(off, 512), off); err != nil {
					t.Fatal(err)
				}
			}
			if err := i.Close(); err != nil {
				t.Fatal(err)
			}
			qcow2test.MustBeSound(t, m, true)
		})
	}
}
