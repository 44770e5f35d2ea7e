// SPDX-License-Identifier: Apache-2.0

package format

import (
	"bytes"
	"errors"
	"testing"
)

func TestCounters(t *testing.T) {
	c := ZoneCounters{Resets: 1, Finishes: 2, Bytes: 3 << 40, Appends: 4, Evictions: 5}
	good := c.Encode(7)
	bad := bytes.Clone(good)
	bad[23] ^= 1
	for _, k := range []struct {
		name string
		b    []byte
		zone uint32
		want ZoneCounters
		err  error
	}{
		{"as written", good, 7, c, nil},
		{"of another zone", good, 8, ZoneCounters{}, ErrCorrupt},
		{"a bit is wrong", bad, 7, ZoneCounters{}, ErrCorrupt},
		{"never written", make([]byte, CounterBytes), 9, ZoneCounters{}, nil},
		{"zeros, written", ZoneCounters{}.Encode(0), 0, ZoneCounters{}, nil},
		{"half of zeros", append(make([]byte, CounterBytes-1), 1), 0, ZoneCounters{}, ErrCorrupt},
	} {
		t.Run(k.name, func(t *testing.T) {
			if got, err := DecodeCounters(k.b, k.zone); got != k.want || !errors.Is(err, k.err) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	p := PrivateExtension{LogicalBlockSize: 4096, Counters: 0x50000}
	got, err := ParsePrivate(p.Encode())
	if err != nil || got.Counters != p.Counters || len(got.Unknown) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzCounters(f *testing.F) {
	f.Add(ZoneCounters{Resets: 1, Bytes: 1 << 30}.Encode(3), uint32(3))
	f.Fuzz(func(t *testing.T, b []byte, zone uint32) {
		if len(b) < CounterBytes {
			return
		}
		c, err := DecodeCounters(b, zone)
		if again, e := DecodeCounters(c.Encode(zone), zone); err == nil && (e != nil || again != c) {
			t.Fatalf("%+v, %+v, %v", c, again, e)
		}
	})
}
