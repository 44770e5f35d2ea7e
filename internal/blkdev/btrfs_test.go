// SPDX-License-Identifier: Apache-2.0

package blkdev

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTranslate(t *testing.T) {
	m := chunkMap{{logical: 1000, length: 100, physical: 5000}, {logical: 1100, length: 100, physical: 9000}}
	for name, c := range map[string]struct{ in, want []Extent }{
		"inside one":        {[]Extent{{1010, 20}}, []Extent{{5010, 20}}},
		"to its end":        {[]Extent{{1090, 10}}, []Extent{{5090, 10}}},
		"across two":        {[]Extent{{1090, 20}}, []Extent{{5090, 10}, {9000, 10}}},
		"nothing":           {nil, nil},
		"outside":           {[]Extent{{1190, 20}}, nil},
		"before the chunks": {[]Extent{{10, 20}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := m.translate(c.in)
			if (err != nil) != (c.in != nil && c.want == nil) || !cmp.Equal(got, c.want) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestDecodeChunk(t *testing.T) {
	item := func(kind uint64) []byte {
		b := make([]byte, 80)
		binary.LittleEndian.PutUint64(b[0:], 64<<20)
		binary.LittleEndian.PutUint64(b[24:], kind)
		binary.LittleEndian.PutUint64(b[56:], 16<<20)
		return b
	}
	if c, err := decodeChunk(1<<30, item(1)); err != nil || c != (chunk{1 << 30, 64 << 20, 16 << 20}) {
		t.Errorf("%+v, %v", c, err)
	}
	for name, b := range map[string][]byte{"RAID0": item(1 | 1<<3), "RAID5": item(1 | 1<<7), "short": item(1)[:60], "empty": nil} {
		if c, err := decodeChunk(0, b); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
