// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zqublkd/zoned"
)

// script is a conversation with a device, one line for each call:
//
//	call arguments -> answer
//
// Begin:  write|append|read ID OFFSET BYTES
//
//	open|close|reset|finish ID OFFSET
//	reset-all ID
//	again ID             the same once more, after it was parked
//
// End:    ok ID                the I/O has succeeded
//
//	fail ID              the I/O has failed
//
// Look:   zone I, counts, owned ID
//
// Zones are 8 bytes with a capacity of 6, so zone i starts at byte 8*i. All
// invariants are checked after each line. At the end everything that is still
// in flight ends, parked requests go on, and none may be left unanswered.
type script struct {
	name   string
	zones  string // "cv em cl:2": conditions, with the bytes written
	last   uint64 // bytes of the last zone, if it is short
	limits zoned.Limits
	text   string
}

const (
	scriptZone     = 8
	scriptCapacity = 6
)

func runScripts(t *testing.T, all []script) {
	t.Helper()
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) { newPlayer(t, s).play(s.text) })
	}
}

// player runs one script.
type player struct {
	t    *testing.T
	dev  *zoned.Device
	seen *observer
	reqs map[string]*played
}

// played is a request of a script.
type played struct {
	op    zoned.Op
	call  []string
	state string // "granted", "parked", "again", "answered"
}

func newPlayer(t *testing.T, s script) *player {
	t.Helper()
	geo, entries := parseZones(t, s.zones, s.last)
	seen := &observer{}
	dev, err := zoned.New(geo, s.limits, slices.Values(entries), seen)
	if err != nil {
		t.Fatal(err)
	}
	seen.watch(dev)
	return &player{t: t, dev: dev, seen: seen, reqs: map[string]*played{}}
}

var conditionsByShort = map[string]zoned.Condition{
	"em": zoned.Empty, "oi": zoned.ImplicitOpen, "oe": zoned.ExplicitOpen, "cl": zoned.Closed,
	"fu": zoned.Full, "ro": zoned.ReadOnly, "of": zoned.Offline,
}

func parseZones(t testing.TB, text string, last uint64) (zoned.Geometry, []zoned.Entry) {
	t.Helper()
	words := strings.Fields(text)
	geo := zoned.Geometry{Size: uint64(len(words)) * scriptZone, ZoneSize: scriptZone, ZoneCapacity: scriptCapacity}
	if last != 0 {
		geo.Size -= scriptZone - last
	}
	entries := make([]zoned.Entry, len(words))
	for i, w := range words {
		short, written, _ := strings.Cut(w, ":")
		n, _ := strconv.ParseUint(written, 10, 64)
		switch short {
		case "cv":
			geo.Conventional++
		case "cv-ro", "cv-of":
			geo.Conventional++
			short = short[3:]
		case "fu":
			n = scriptZone // as the first images on disk say it
		}
		entries[i] = zoned.Entry{WP: geo.Start(uint32(i)) + n, Condition: conditionsByShort[short]}
	}
	return geo, entries
}

func (p *player) play(text string) {
	p.t.Helper()
	for nr, line := range strings.Split(text, "\n") {
		call, want, ok := strings.Cut(strings.Join(strings.Fields(line), " "), " -> ")
		if call == "" {
			continue
		}
		if !ok {
			p.t.Fatalf("line %d: %q expects nothing", nr, line)
		}
		if got := p.call(strings.Fields(call)); got != want {
			p.t.Fatalf("line %d: %s\n got %s\nwant %s", nr, call, got, want)
		}
		p.check(fmt.Sprintf("after line %d: %s", nr, call))
	}
	p.settle()
}

func (p *player) check(when string) {
	p.t.Helper()
	if err := errors.Join(p.dev.Check(), p.seen.check(p.dev)); err != nil {
		p.t.Fatalf("%s: %v", when, err)
	}
}

// settle ends everything; each request must have got an answer then.
func (p *player) settle() {
	p.t.Helper()
	for range 100 {
		for id, r := range p.reqs {
			switch r.state {
			case "granted":
				p.end(id, nil)
			case "again":
				p.begin(id, r.call)
			}
			p.check("at the end, " + id)
		}
	}
	for id, r := range p.reqs {
		if r.state != "answered" {
			p.t.Fatalf("at the end, request %s (%v) is still %s", id, r.call, r.state)
		}
	}
}

func (p *player) call(words []string) string {
	switch words[0] {
	case "ok":
		return p.end(words[1], nil)
	case "fail":
		return p.end(words[1], errIO)
	case "zone":
		s := p.dev.State(uint32(number(words[1])))
		return fmt.Sprintf("%s %d", s.Condition, s.WP)
	case "counts":
		return fmt.Sprintf("open %d, active %d, implicit %d", p.dev.Open(), p.dev.Active(), p.dev.ImplicitOpen())
	case "owned":
		return fmt.Sprint(p.dev.Owned(&p.reqs[words[1]].op))
	case "again":
		return p.begin(words[1], p.reqs[words[1]].call)
	}
	return p.begin(words[1], words)
}

func (p *player) begin(id string, call []string) string {
	r := p.reqs[id]
	if r == nil {
		r = &played{}
		p.reqs[id] = r
	}
	r.call = call
	if old := r.state; old == "granted" || old == "parked" {
		p.t.Fatalf("%v: request %s is still %s", call, id, old)
	}
	v, more, err := begin(p.dev, &r.op, call[0], numbers(call[2:]))
	r.state = map[zoned.Verdict]string{zoned.Granted: "granted", zoned.Parked: "parked"}[v]
	if r.state == "" {
		r.state = "answered"
	}
	return verdict(v, more, err)
}

func (p *player) end(id string, err error) string {
	r := p.reqs[id]
	if abandoned := r.state == "again" && r.call[0] == "reset-all"; r.state != "granted" && !abandoned {
		p.t.Fatalf("end of request %s, which is %s", id, r.state)
	}
	r.state = "ended"
	var said []string
	for o := end(p.dev, &r.op, r.call[0], err); o != nil; o = o.Next() {
		name, other := p.find(o)
		other.state = "answered"
		if o.Outcome == zoned.Retry {
			other.state = "again"
		}
		said = append(said, name+" "+outcome(o))
	}
	if r.call[0] == "read" {
		r.state = "answered"
	}
	if r.state == "ended" { // landed: somebody else's end will answer it
		r.state = "parked"
	}
	if said == nil {
		return "nothing"
	}
	return strings.Join(said, ", ")
}

func (p *player) find(o *zoned.Op) (string, *played) {
	for id, r := range p.reqs {
		if &r.op == o {
			return id, r
		}
	}
	p.t.Fatalf("an answer to nobody's request: %+v", o)
	return "", nil
}

func numbers(words []string) []uint64 {
	out := make([]uint64, 2)
	for i, w := range words {
		out[i] = number(w)
	}
	return out
}

func number(word string) uint64 {
	n, err := strconv.ParseUint(word, 0, 64)
	if err != nil {
		panic(err)
	}
	return n
}
