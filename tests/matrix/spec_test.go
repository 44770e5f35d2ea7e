// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// spec is one image of the matrix.
type spec struct {
	version      int // 2, 3
	clusterBits  int // 9..21
	refcountBits int // 1..64
	extended     bool
	compression  string // "", "zlib", "zstd": of clusters written compressed
	prealloc     string // "", "metadata", "falloc", "full"
	data         string // "", "own", "raw": external data file
	depth        int    // backing files
	rawBase      bool   // the lowest of them is raw
	lazy         bool
	snapshots    int
}

func pick[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

// draw makes a spec that qemu-img creates; what excludes each other is left out.
func draw(rng *rand.Rand) spec {
	s := spec{
		version: pick(rng, 2, 3, 3, 3), clusterBits: pick(rng, 9, 10, 12, 14, 16, 16, 18, 21),
		refcountBits: pick(rng, 1, 2, 4, 8, 16, 16, 32, 64), extended: rng.IntN(3) == 0,
		compression: pick(rng, "", "", "zlib", "zstd"), prealloc: pick(rng, "", "", "", "metadata", "falloc", "full"),
		data: pick(rng, "", "", "", "own", "raw"), depth: pick(rng, 0, 0, 1, 1, 2, 3), rawBase: rng.IntN(3) == 0,
		lazy: rng.IntN(4) == 0, snapshots: pick(rng, 0, 0, 1, 2),
	}
	return s.possible()
}

// possible drops what the version or another option excludes.
func (s spec) possible() spec {
	if s.version == 2 {
		s.refcountBits, s.extended, s.data, s.lazy = 16, false, "", false
		if s.compression == "zstd" {
			s.compression = "zlib"
		}
	}
	s.extended = s.extended && s.clusterBits >= 14
	if s.data != "" {
		s.compression, s.snapshots = "", 0
	}
	if s.compression != "" {
		s.prealloc = ""
	}
	if s.data == "raw" {
		s.depth = 0
	}
	if s.depth > 0 && !s.extended {
		s.prealloc = ""
	}
	if s.depth > 0 && s.data != "" {
		s.prealloc = ""
	}
	if s.compression != "" && s.refcountBits < 8 {
		s.snapshots = 0 // several compressed clusters share one of the file already
	}
	if s.refcountBits < 3 {
		s.snapshots = min(s.snapshots, s.refcountBits-1)
	}
	s.rawBase = s.rawBase && s.depth > 0
	return s
}

// size is the virtual size in bytes: several L2 tables, an odd end.
func (s spec) size() int {
	return min(max(6<<20, 5<<s.clusterBits), 12<<20) + 1536
}

func (s spec) String() string {
	parts := []string{fmt.Sprintf("v%d", s.version), fmt.Sprintf("cluster=%d", 1<<s.clusterBits), fmt.Sprintf("refcount=%d", s.refcountBits)}
	add := func(yes bool, format string, args ...any) {
		if yes {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(s.extended, "extended")
	add(s.compression != "", "%s", s.compression)
	add(s.prealloc != "", "prealloc=%s", s.prealloc)
	add(s.data != "", "data=%s", s.data)
	add(s.depth > 0, "depth=%d", s.depth)
	add(s.rawBase, "rawbase")
	add(s.lazy, "lazy")
	add(s.snapshots > 0, "snapshots=%d", s.snapshots)
	return strings.Join(parts, ",")
}

// options are those of qemu-img create.
func (s spec) options() string {
	o := []string{fmt.Sprintf("cluster_size=%d", 1<<s.clusterBits)}
	if s.version == 2 {
		o = append(o, "compat=0.10")
	} else {
		o = append(o, "compat=1.1", fmt.Sprintf("refcount_bits=%d", s.refcountBits))
	}
	for _, x := range []struct {
		yes  bool
		text string
	}{
		{s.extended, "extended_l2=on"}, {s.compression == "zstd", "compression_type=zstd"}, {s.lazy, "lazy_refcounts=on"},
		{s.prealloc != "", "preallocation=" + s.prealloc}, {s.data != "", "data_file=data.raw"}, {s.data == "raw", "data_file_raw=on"},
	} {
		if x.yes {
			o = append(o, x.text)
		}
	}
	return strings.Join(o, ",")
}

// values names what a spec covers, for the test that nothing is left out.
func (s spec) values() []string {
	return []string{
		fmt.Sprint("version ", s.version), fmt.Sprint("cluster bits ", s.clusterBits), fmt.Sprint("refcount bits ", s.refcountBits),
		fmt.Sprint("extended ", s.extended), "compression " + s.compression, "preallocation " + s.prealloc, "data " + s.data,
		fmt.Sprint("depth ", s.depth), fmt.Sprint("raw base ", s.rawBase), fmt.Sprint("lazy ", s.lazy), fmt.Sprint("snapshots ", s.snapshots),
	}
}
