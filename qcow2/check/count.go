// SPDX-License-Identifier: Apache-2.0

package check

import (
	"io"

	"zqublkd/qcow2/format"
)

// read fills p from the file; what lies behind its end reads as zeros, as the
// last cluster may be cut short.
func (c *checker) read(p []byte, off uint64) error {
	n, err := c.f.ReadAt(p, int64(off))
	if err != nil && err != io.EOF {
		return err
	}
	clear(p[n:])
	return nil
}

// hole tells if nothing is stored in n bytes from off, so that tables of
// zeros in a huge sparse file cost no reading.
func (c *checker) hole(off, n uint64) bool {
	at, err := c.f.SeekData(int64(off))
	return err == io.EOF || err == nil && uint64(at) >= off+n
}

// inFile tells if a range lies in the file. Its last cluster may stick out,
// by less than a cluster.
func (c *checker) inFile(off, n uint64) bool {
	end := off + n
	if end < off || off >= c.size {
		return false
	}
	return end <= c.size || end-c.size < c.g.ClusterSize()
}

// count counts references to the clusters of a range.
func (c *checker) count(u format.ClusterKind, off, n, times uint64, what string) bool {
	if !c.inFile(off, n) {
		c.dangling = min(c.dangling, max(off, c.size))
		c.damage(off, "%s at %#x (%d bytes) lies past the end of the file", what, off, n)
		return false
	}
	if n == 0 {
		return true
	}
	first := off >> c.g.ClusterBits
	c.counted.add(first, (off+n-1)>>c.g.ClusterBits-first+1, u, times)
	return true
}

// countAligned is count for what has to start on a cluster.
func (c *checker) countAligned(u format.ClusterKind, off, n, times uint64, what string) bool {
	if c.g.InCluster(off) != 0 {
		c.damage(off, "%s at %#x does not start on a cluster", what, off)
		return false
	}
	return c.count(u, off, n, times, what)
}

// misused tells if any cluster of a range serves as two things.
func (c *checker) misused(off, n uint64) bool {
	for i := off >> c.g.ClusterBits; i <= (off+n-1)>>c.g.ClusterBits; i++ {
		if c.counted.get(i).misused() {
			return true
		}
	}
	return false
}

// spend accounts for reading n entries of tables that may be referred to more
// than once; false when that has become too much.
func (c *checker) spend(n uint64) bool {
	c.tableWords += n
	return c.tableWords <= c.o.Tables
}

// corruption reports damage that hides no references.
func (c *checker) corruption(off uint64, format string, args ...any) {
	c.report.add(Corruption, off, format, args...)
}

// damage reports corruption that may hide references.
func (c *checker) damage(off uint64, format string, args ...any) {
	c.damaged = true
	c.corruption(off, format, args...)
}

func (c *checker) note(off uint64, format string, args ...any) {
	c.report.add(Note, off, format, args...)
}
