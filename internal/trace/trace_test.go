// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"zqublkd/zoned"
)

var header = Header{
	Geometry: zoned.Geometry{Size: 64 << 20, ZoneSize: 8 << 20, ZoneCapacity: 6 << 20, Conventional: 1},
	Limits:   zoned.Limits{MaxOpen: 3, MaxActive: 5, MaxAppend: 1 << 20}, LogicalBlock: 4096, Zoned: true,
	Started: 1e18, Name: "/dev/ublkb0",
}

// events is one record of each kind and of each form of its words.
var events = []Record{
	{Kind: Initial, Zone: 2, Turn: 1, Time: 1e18, Place: 16<<20 + 4096, Cond: zoned.Closed},
	{Kind: Zone, Zone: 3, Turn: 3, Time: 1e18 + 1e9, Place: 24 << 20, Cond: zoned.ImplicitOpen},
	{Kind: Implicit, Zone: 3, Turn: 3, Time: 1e18 + 1e9, Place: 24 << 20, Cond: zoned.ImplicitOpen, Count: 1},
	{Kind: Request, Op: Write, FUA: true, Queue: 1, Zone: 3, Turn: 2, Time: 1e18 + 2e9, Start: 24 << 20, Length: 65536, Latency: 35200},
	{Kind: Request, Op: Append, Zone: 3, Turn: 4, Time: 1e18 + 3e9, Start: 24 << 20, Length: 4096, Place: 24<<20 + 65536, Latency: 1000},
	{Kind: Request, Op: Write, Errno: 5, Zone: 0, Turn: 5, Time: 1e18 + 4e9, Start: 4096, Length: 4096},
	{Kind: Request, Op: Reset, Zone: 3, Turn: 6, Time: 1e18 + 5e9, Start: 24 << 20, Latency: 2e6},
	{Kind: Request, Op: ResetAll, Turn: 7, Time: 1e18 + 6e9},
	{Kind: Request, Op: Flush, Turn: 8, Time: 1e18 + 7e9},
	{Kind: Dropped, Time: 1e18 + 8e9, Count: 7, Lost: Lost{4, 2, 1}},
	{Kind: End, Time: 1e18 + 9e9, Count: 7},
}

func encoded(t testing.TB, h Header, records ...Record) []byte {
	t.Helper()
	var b bytes.Buffer
	err := writeHeader(&b, h)
	for i := range records {
		var raw [recordBytes]byte
		encodeRecord(&raw, &records[i])
		b.Write(raw[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoded(b []byte) (h Header, all []Record, err error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return h, nil, err
	}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return r.Header(), all, nil
		}
		if err != nil {
			return r.Header(), all, err
		}
		all = append(all, rec)
	}
}

func TestRoundTrip(t *testing.T) {
	h, all, err := decoded(encoded(t, header, events...))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(header, h) + cmp.Diff(events, all); d != "" {
		t.Error(d)
	}
}

// TestReader: what is not a trace of its disk is refused, by words that say so.
func TestReader(t *testing.T) {
	good := encoded(t, header, events...)
	put := func(at int, bytes ...byte) []byte {
		b := append([]byte(nil), good...)
		copy(b[at:], bytes)
		return b
	}
	const first = headerBytes // the record
	request := headerBytes + 3*recordBytes
	longer := append(put(12, 136), make([]byte, 8)...)
	copy(longer[136:], good[128:])
	for _, c := range []struct {
		name string
		b    []byte
		err  error
		says string
	}{
		{"sound", good, nil, ""},
		{"nothing", nil, ErrFormat, "within the header"},
		{"text", bytes.Repeat([]byte("x"), 200), ErrFormat, "does not begin"},
		{"newer", put(8, 2), ErrFormat, "version 2"},
		{"longer header of a later program", longer, nil, ""},
		{"short header", put(12, 1), ErrFormat, "header of 1 bytes"},
		{"huge records", put(16, 0, 0, 0, 1), ErrFormat, "records of"},
		{"no zones", put(32, make([]byte, 8)...), ErrFormat, "zone size is 0"},
		{"without its end", good[:len(good)-recordBytes], ErrCut, ""},
		{"within a record", good[:len(good)-3], ErrCut, ""},
		{"unknown kind", put(first, 99), nil, ""},
		{"kind 0", put(first, 0), nil, ""},
		{"zone", put(first+4, 9), ErrFormat, "record 1: zone 9 of a disk of 8"},
		{"condition", put(first+56, 7), ErrFormat, "condition-0x7"},
		{"write pointer", put(first+43, 9), ErrFormat, "outside zone 2"},
		{"operation", put(request+1, 77), ErrFormat, "operation-77"},
		{"errno", put(request+2, 0xff, 0xff), ErrFormat, "errno 65535"},
		{"length", put(request+35, 0xff), ErrFormat, "a write of 4278255616 bytes"},
		{"place", put(request+27, 3, 0xff), ErrFormat, "of a disk of"},
		{"after the end", append(append([]byte(nil), good...), "more"...), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := decoded(c.b)
			if !errors.Is(err, c.err) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v with %q", err, c.err, c.says)
			}
		})
	}
}

// TestPrint is the words of each event, and the JSON of those with most fields.
func TestPrint(t *testing.T) {
	for _, c := range []struct {
		name string
		of   []Record
		json bool
		want string
	}{
		{"text", events, false, `
    0.000000  zone 2 is closed, write pointer 16781312
    1.000000  zone 3 now implicit-open, write pointer 25165824
    1.000000  implicitly open zones now 1 (zone 3)
    2.000000  write fua zone 3, 65536 bytes at 25165824, 35.2µs
    3.000000  append zone 3, 4096 bytes at 25165824 to 25231360, 1µs
    4.000000  write zone 0, 4096 bytes at 4096: EIO, 0s
    5.000000  reset zone 3, 2ms
    6.000000  reset-all, 0s
    7.000000  flush, 0s
    8.000000  7 events dropped: the ring was full (requests: 4, changes of zones: 2, of the number of open ones: 1)
    9.000000  end, 7 events dropped
`},
		{"JSON", []Record{events[0], events[2], events[4], events[9], events[10]}, true, `
{"event":"initial","time":"2001-09-09T01:46:40Z","turn":1,"zone":2,"wp":16781312,"condition":"closed"}
{"event":"implicitly-open-zones","time":"2001-09-09T01:46:41Z","turn":3,"zone":3,"count":1}
{"event":"request","time":"2001-09-09T01:46:43Z","turn":4,"op":"append","zone":3,"start":25165824,"length":4096,"place":25231360,"queue":0,"latency_us":1}
{"event":"dropped","time":"2001-09-09T01:46:48Z","count":7,"lost":{"request":4,"write-pointer-moved":2,"implicitly-open-zones":1}}
{"event":"end","time":"2001-09-09T01:46:49Z","count":7}
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("\n")
			p := Printer{W: &b, JSON: c.json, Begun: 1e18}
			for _, r := range c.of {
				if err := p.Print(r); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(c.want, b.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestStream: a trace has how the zones stood, what came, and what the ring had
// no room for.
func TestStream(t *testing.T) {
	tr := New(2, 16)
	states := []zoned.State{{Condition: zoned.NotWP}, {WP: 8 << 20, Condition: zoned.ImplicitOpen}}
	visit := func(f func(uint32, zoned.State)) {
		for i, s := range states {
			f(uint32(i), s)
		}
		tr.ZoneChanged(1, zoned.State{WP: 8<<20 + 4096, Condition: zoned.Closed}) // while the others are looked at
		for range 19 {
			tr.Answered(&Record{Op: Write, Zone: 1, Start: 8 << 20, Length: 4096}, tr.begun)
		}
		tr.ZoneChanged(0, zoned.State{Condition: zoned.ImplicitOpen}) // two records, and no room for one
	}
	stop, offs := make(chan struct{}), 0
	close(stop)
	var b bytes.Buffer
	if err := tr.Stream(&b, header, visit, stop, func() { offs++ }); err != nil || offs == 0 {
		t.Fatal(err, offs)
	}
	_, all, err := decoded(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var kinds []Kind
	for _, r := range all {
		kinds = append(kinds, r.Kind)
	}
	want := []Kind{Initial, Initial, Zone, Implicit}
	for range 14 {
		want = append(want, Request)
	}
	want = append(want, Dropped, End)
	if d := cmp.Diff(want, kinds); d != "" {
		t.Fatal(d)
	}
	if n := len(all); all[3].Count != 0 || all[n-2].Count != 7 || all[n-1].Count != 7 || all[n-2].Lost != (Lost{5, 1, 1}) || all[n-1].Lost != all[n-2].Lost {
		t.Errorf("%+v", all)
	}
	if a, b := all[4].Turn, all[5].Turn; b != a+1 || all[2].Turn >= a {
		t.Errorf("turns %d, %d, %d", all[2].Turn, a, b)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(encoded(f, header, events...))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, all, _ := decoded(b)
		for _, r := range all {
			if r.Kind != Dropped && r.Kind != End && r.Zone >= h.Geometry.Zones() {
				t.Fatalf("%+v", r)
			}
			_ = words(&r)
			_ = lineOf(&r)
		}
	})
}
