// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goodZoned is a zoned disk of 128 zones of 4 MiB that breaks no rule.
func goodZoned() *Params {
	return &Params{LogicalBlockBytes: 4096, MaxSectors: 2048, ChunkSectors: 8192, DevSectors: 128 * 8192, VolatileCache: true, FUA: true,
		Zoned: &ZonedParams{MaxOpen: 14, MaxActive: 16, MaxAppendSectors: 1024}}
}

// goodPlain is a disk of 1 GiB with discards.
func goodPlain() *Params {
	return &Params{LogicalBlockBytes: 512, PhysicalBlockBytes: 4096, IOMinBytes: 4096, IOOptBytes: 65536, MaxSectors: 1024, DevSectors: 1 << 21,
		ReadOnly: true, Rotational: true, DMAAlignment: 511, Discard: &DiscardParams{0, 4096, 2048, 1024, 1},
		Segment: &SegmentParams{^uint64(0), 65536, 128}}
}

func TestParamsBytes(t *testing.T) {
	b := goodZoned().Encode()
	golden(t, b[:], `98000000 09000000
		0c000000 0c 0c 00 0c 00080000 00200000 0000100000000000 0000000000000000
		0000000000000000 0000000000000000 00000000
		0000000000000000 0000000000000000
		0e000000 10000000 00040000 0000000000000000 0000000000000000 00000000
		00000000 00000000 00000000
		0000000000000000 00000000 0000 0000
		0000000000000000 0000000000000000`)
	b = goodPlain().Encode()
	golden(t, b[:], `98000000 33000000
		03000000 09 0c 10 0c 00040000 00000000 0000200000000000 0000000000000000
		00000000 00100000 00080000 00040000 01000000
		0000000000000000 0000000000000000
		00000000 00000000 00000000 0000000000000000 0000000000000000 00000000
		ff010000 00000000 00000000
		ffffffffffffffff 00000100 8000 0000
		0000000000000000 0000000000000000`)
}

func TestParamsRoundTrip(t *testing.T) {
	for name, p := range map[string]*Params{"zoned": goodZoned(), "plain": goodPlain()} {
		b := p.Encode()
		got, err := decodeParams(b[:])
		if err != nil {
			t.Fatal(err)
		}
		want := p.defaulted()
		if d := cmp.Diff(&want, got); d != "" {
			t.Errorf("%s (-sent +read):\n%s", name, d)
		}
	}
}

// TestParamsOfOlderKernel reads the 112 bytes Linux 6.12 answers.
func TestParamsOfOlderKernel(t *testing.T) {
	b := goodPlain().Encode()
	binary.NativeEndian.PutUint32(b[:], 112)
	got, err := decodeParams(b[:])
	if err != nil {
		t.Fatal(err)
	}
	if got.Segment == nil || got.Segment.MaxBytes != 0 {
		t.Errorf("bytes beyond the length were read: %+v", got.Segment)
	}
	if got.Discard == nil || got.Discard.GranularityBytes != 4096 {
		t.Errorf("discard block: %+v", got.Discard)
	}
}

func TestParamsRefusedBytes(t *testing.T) {
	good := goodZoned().Encode()
	for name, change := range map[string]func(b []byte) []byte{
		"short":    func(b []byte) []byte { return b[:39] },
		"no basic": func(b []byte) []byte { b[4] = 8; return b },
		"shift 32": func(b []byte) []byte { b[offBasic+5] = 32; return b },
	} {
		b := append([]byte(nil), good[:]...)
		if p, err := decodeParams(change(b)); err == nil {
			t.Errorf("%s: decoded %+v", name, p)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, p := range []*Params{goodZoned(), goodPlain()} {
		if err := p.Validate(); err != nil {
			t.Errorf("good parameters: %v", err)
		}
	}
	for name, c := range map[string]struct {
		base   func() *Params
		change func(*Params)
		field  string // empty: valid
	}{
		"block of 256":               {goodPlain, func(p *Params) { p.LogicalBlockBytes = 256 }, "LogicalBlockBytes"},
		"block of 8192":              {goodPlain, func(p *Params) { p.LogicalBlockBytes = 8192 }, "LogicalBlockBytes"},
		"block of 520":               {goodPlain, func(p *Params) { p.LogicalBlockBytes = 520 }, "LogicalBlockBytes"},
		"no block":                   {goodPlain, func(p *Params) { p.LogicalBlockBytes = 0 }, "LogicalBlockBytes"},
		"physical below logical":     {goodZoned, func(p *Params) { p.PhysicalBlockBytes = 512 }, "PhysicalBlockBytes"},
		"physical odd":               {goodZoned, func(p *Params) { p.PhysicalBlockBytes = 4097 }, "PhysicalBlockBytes"},
		"io_min huge":                {goodZoned, func(p *Params) { p.IOMinBytes = 1 << 29 }, "IOMinBytes"},
		"io_opt odd":                 {goodZoned, func(p *Params) { p.IOOptBytes = 3 }, "IOOptBytes"},
		"no sectors":                 {goodPlain, func(p *Params) { p.DevSectors = 0 }, "DevSectors"},
		"half a block":               {goodZoned, func(p *Params) { p.Zoned = nil; p.ChunkSectors = 0; p.DevSectors = 12 }, "DevSectors"},
		"max_sectors below a page":   {goodPlain, func(p *Params) { p.MaxSectors = 7 }, "MaxSectors"},
		"max_sectors of a page":      {goodPlain, func(p *Params) { p.MaxSectors = 8 }, ""},
		"max_sectors over 32 MiB":    {goodPlain, func(p *Params) { p.MaxSectors = 65537 }, "MaxSectors"},
		"max_sectors of 32 MiB":      {goodPlain, func(p *Params) { p.MaxSectors = 65536 }, ""},
		"max_sectors half a block":   {goodZoned, func(p *Params) { p.MaxSectors = 1020 }, "MaxSectors"},
		"chunk half a block":         {goodZoned, func(p *Params) { p.Zoned = nil; p.ChunkSectors = 4 }, "ChunkSectors"},
		"FUA alone":                  {goodPlain, func(p *Params) { p.FUA = true }, "FUA"},
		"discard granularity 0":      {goodPlain, func(p *Params) { p.Discard.GranularityBytes = 0 }, "Discard.GranularityBytes"},
		"two discard segments":       {goodPlain, func(p *Params) { p.Discard.MaxDiscardSegments = 2 }, "Discard.MaxDiscardSegments"},
		"discard on zoned":           {goodZoned, func(p *Params) { p.Discard = &DiscardParams{0, 4096, 8, 0, 1} }, "Discard.MaxDiscardSectors"},
		"zeroes on zoned":            {goodZoned, func(p *Params) { p.Discard = &DiscardParams{0, 4096, 0, 8, 1} }, ""},
		"zone size not a power of 2": {goodZoned, func(p *Params) { p.ChunkSectors = 24 << 8 }, "ChunkSectors"},
		"zone size 0":                {goodZoned, func(p *Params) { p.ChunkSectors = 0 }, "ChunkSectors"},
		"less than a zone":           {goodZoned, func(p *Params) { p.DevSectors = 4096 }, "DevSectors"},
		"short last zone":            {goodZoned, func(p *Params) { p.DevSectors += 8 }, "DevSectors"},
		"zoned request over 1 MiB":   {goodZoned, func(p *Params) { p.MaxSectors = 4096 }, "MaxSectors"},
		"16384 zones":                {goodZoned, func(p *Params) { p.DevSectors = 16384 * 8192 }, ""},
		"16385 zones":                {goodZoned, func(p *Params) { p.DevSectors = 16385 * 8192 }, "ChunkSectors"},
		"64 zones in a page":         {goodZoned, func(p *Params) { p.MaxSectors = 8; p.DevSectors = 64 * 8192 }, ""},
		"65 zones in a page":         {goodZoned, func(p *Params) { p.MaxSectors = 8; p.DevSectors = 65 * 8192 }, "ChunkSectors"},
		"rotational zones":           {goodZoned, func(p *Params) { p.Rotational = true }, "Rotational"},
		"more open than zones":       {goodZoned, func(p *Params) { p.Zoned.MaxOpen, p.Zoned.MaxActive = 129, 0 }, "Zoned.MaxOpen"},
		"more active than zones":     {goodZoned, func(p *Params) { p.Zoned.MaxActive = 129 }, "Zoned.MaxActive"},
		"more open than active":      {goodZoned, func(p *Params) { p.Zoned.MaxOpen = 17 }, "Zoned.MaxOpen"},
		"open limit only":            {goodZoned, func(p *Params) { p.Zoned.MaxActive = 0 }, ""},
		"no limits":                  {goodZoned, func(p *Params) { p.Zoned.MaxOpen, p.Zoned.MaxActive = 0, 0 }, ""},
		"no append":                  {goodZoned, func(p *Params) { p.Zoned.MaxAppendSectors = 0 }, "Zoned.MaxAppendSectors"},
		"append of half a block":     {goodZoned, func(p *Params) { p.Zoned.MaxAppendSectors = 12 }, "Zoned.MaxAppendSectors"},
		"alignment no mask":          {goodPlain, func(p *Params) { p.DMAAlignment = 512 }, "DMAAlignment"},
		"alignment of 4095":          {goodPlain, func(p *Params) { p.DMAAlignment = 4095 }, ""},
		"alignment of 8191":          {goodPlain, func(p *Params) { p.DMAAlignment = 8191 }, "DMAAlignment"},
		"boundary no mask":           {goodPlain, func(p *Params) { p.Segment.BoundaryMask = 65536 }, "Segment.BoundaryMask"},
		"boundary small":             {goodPlain, func(p *Params) { p.Segment.BoundaryMask = 2047 }, "Segment.BoundaryMask"},
		"segment small":              {goodPlain, func(p *Params) { p.Segment.MaxBytes = 2048 }, "Segment.MaxBytes"},
	} {
		p := c.base()
		c.change(p)
		err := p.Validate()
		var pe *ParamError
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.field != "" && (!errors.As(err, &pe) || pe.Field != c.field):
			t.Errorf("%s: got %v, want an error of %s", name, err, c.field)
		}
	}
}

func TestValidateForDevice(t *testing.T) {
	info := DevInfo{MaxIOBytes: 1 << 20, Flags: FeatureZoned | FeatureUserCopy}
	if err := goodZoned().ValidateFor(info); err != nil {
		t.Error(err)
	}
	if err := goodPlain().ValidateFor(info); err == nil {
		t.Error("a plain disk on a zoned device")
	}
	info.MaxIOBytes = 512 << 10
	if err := goodZoned().ValidateFor(info); err == nil {
		t.Error("requests larger than the device's")
	}
	info.Flags = FeatureUserCopy
	if err := goodPlain().ValidateFor(info); err != nil {
		t.Error(err)
	}
	bad := goodPlain()
	bad.MaxSectors = 1
	if err := bad.ValidateFor(info); err == nil {
		t.Error("parameters bad for any device")
	}
}
