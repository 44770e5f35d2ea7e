// SPDX-License-Identifier: Apache-2.0

package check

import (
	"errors"
	"fmt"
	"math"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// Repair is what Check may change.
type Repair uint8

const (
	// RepairNone changes nothing.
	RepairNone Repair = iota

	// RepairLeaks lowers refcounts of clusters that have fewer references, and
	// takes the dirty and corrupt marks off an image that is sound after that.
	RepairLeaks

	// RepairAll also raises refcounts that are too low (rebuilding the refcount structures where
	// they are damaged themselves), corrects copied flags, clears reserved bits of L1 and L2
	// entries that make sense without, rewrites zone table entries that are wrapped or above the
	// writable end, and makes incompatible bit 5 agree with the zoned extension.
	RepairAll
)

// Options of Check. The zero value looks and changes nothing.
type Options struct {
	Repair Repair

	// Memory bounds the bytes used for counting references: about 50 for each
	// run of clusters that are used alike, of which a sound image has few. 0: 1
	// GiB.
	Memory int64

	// Tables bounds the entries of tables that may be referred to more than
	// once; 0: as many as the file can hold, up to maxTableWords. For tests.
	Tables uint64

	// MaxFindings bounds the list of findings; more are only counted. 0: 1000.
	MaxFindings int

	// Progress, if set, is told how many bytes of L2 tables, of how many, a walk
	// has looked at; that is what takes long. A repair takes several walks. An error
	// ends the check: what it has written so far has made the image better.
	Progress func(done, all uint64) error
}

const (
	defaultCheckMemory = 1 << 30
	defaultMaxFindings = 1000
)

// ErrCheck: the check could not be completed, so nothing is known about the
// soundness of the image.
var ErrCheck = errors.New("check could not be completed")

// Check walks all metadata of an image and compares the refcounts stored with
// the references found. A problem of the image is a finding in the report; an
// error says that the check itself could not be done (no qcow2 image, features
// unknown, I/O error, too little memory), with the report so far.
//
// With a repair mode it is asked for, the report describes the image as it is
// afterwards, and counts what was put right. No other user may have the image
// open.
//
// Nothing is freed while damage may hide references: leaks are then reported
// and left alone.
func Check(f storage.File, o Options) (*Report, error) {
	if err := storage.SettleAll(f); err != nil {
		return &Report{CheckErrors: 1}, fmt.Errorf("%w: %w", ErrCheck, err)
	}
	return Settled(f, o)
}

// Settled is Check of a file that is settled.
func Settled(f storage.File, o Options) (*Report, error) {
	r, err := check(f, o.withDefaults())
	if err != nil {
		r.CheckErrors = 1
	}
	return r, err
}

func check(f storage.File, o Options) (*Report, error) {
	c, err := examine(f, o, fixNothing, nil)
	if err != nil || o.Repair == RepairNone {
		return c.report, err
	}
	return c.repaired()
}

func (o Options) withDefaults() Options {
	if o.Memory <= 0 {
		o.Memory = defaultCheckMemory
	}
	if o.MaxFindings <= 0 {
		o.MaxFindings = defaultMaxFindings
	}
	return o
}

// checker is one walk over an image.
type checker struct {
	f       storage.File
	o       Options
	h       *format.Header
	g       format.Geometry
	size    uint64 // bytes of the file
	report  *Report
	counted refCounts
	refs    refcountTable
	tables  l2Tables
	fix     fixes
	before  *checker // whose findings fix is about
	damaged bool     // references may be hidden: nothing is provably free

	activeL1   bool   // the active L1 table can be read
	tableWords uint64 // of L1 and bitmap tables, so far
	unequal    uint64 // clusters whose refcount is not the number of references
	dangling   uint64 // the lowest byte behind the end of the file that is referred to
	nextHost   uint64 // where an unfragmented L2 table would go on; 0: anywhere
	zones      *format.ZonedInfo
	zoneTable  format.ZoneTable
	zoneRepair []format.ZoneSlot // slots whose entries are to be stored anew

	counterTable  uint64   // where it is, if it can be read
	counterRepair []uint32 // zones whose counters can't be right
	wrongBit      bool     // incompatible bit 5 is the opposite of what it should be
}

// fixes are changes made in passing, by a walk whose findings are known.
type fixes uint8

const (
	fixNothing fixes = 0
	fixEntries fixes = 1 << iota // flags and reserved bits of L1 and L2 entries

	// countOnly leaves the refcount structures out: the references are
	// counted for a set of new ones.
	countOnly
)

// maxTableWords is more than tables of any sound image have. Without it a small
// file could refer to one table so often that the check takes for ever.
const (
	maxTableWords   = 1 << 28
	leastTableWords = 1 << 20
)

// examine does one walk. The checker is returned with an error too.
func examine(f storage.File, o Options, fix fixes, before *checker) (*checker, error) {
	c := &checker{f: f, o: o, fix: fix, before: before, report: &Report{max: o.MaxFindings}, dangling: math.MaxUint64}
	c.counted = newRefCounts(o.Memory)
	c.tables.max = int(o.Memory / l2RefBytes)
	if err := c.open(); err != nil {
		return c, err
	}
	for _, step := range c.steps() {
		if err := step(); err != nil {
			return c, fmt.Errorf("%w: %w", ErrCheck, err)
		}
		c.counted.settle()
		if c.counted.full || c.tables.full {
			return c, fmt.Errorf("%w: counting references takes more than %d bytes of memory; allow more", ErrCheck, o.Memory)
		}
		if c.tableWords > c.o.Tables {
			return c, fmt.Errorf("%w: its L1 and bitmap tables have more entries than those of any sound image", ErrCheck)
		}
	}
	return c, nil
}

// steps in order: the refcounts stored are needed to judge copied flags, all
// references to judge refcounts.
func (c *checker) steps() []func() error {
	count := []func() error{c.checkFixed, c.checkNames, c.checkZones, c.checkPrivate, c.checkBitmaps, c.checkL1Tables,
		c.checkL2Tables}
	if c.fix&countOnly != 0 {
		return count
	}
	all := append([]func() error{c.loadRefcounts}, count...)
	return append(all, c.compareRefcounts)
}

// open reads the header and refuses what the check doesn't understand.
func (c *checker) open() error {
	size, err := c.f.Size()
	if err == nil {
		c.size = uint64(size)
		c.h, err = format.ReadHeader(c.read, c.size)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCheck, err)
	}
	if unknown := c.h.Incompatible &^ format.KnownIncompat; unknown != 0 {
		names := format.NamesOf(c.h.FeatureNames(), format.FeatureIncompatible, uint64(unknown))
		return fmt.Errorf("%w: %w", ErrCheck, &format.UnsupportedError{Feature: fmt.Sprintf("feature %q", names),
			WayOut: "use a program that knows it"})
	}
	c.g = format.GeometryOf(c.h)
	if c.o.Tables == 0 { // tables of a sound image don't overlap
		c.o.Tables = min(maxTableWords, c.size/8+leastTableWords)
	}
	c.report.describe(c.h, c.size)
	return nil
}
