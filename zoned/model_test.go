// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"fmt"
	"slices"
	"strings"
)

// model is the rules written once more, as naively as can be and without a
// line of the package: every byte of a zone is a cell of its own, nothing is
// counted but by counting, nothing is found but by searching. Its answers are
// the words of verdict and outcome in call_test.go.
type model struct {
	setup
	zones []modelZone
	reqs  []modelReq // by the number of the request
	now   int
}

// setup is a disk to test with. Sizes are bytes.
type setup struct {
	zone, capacity, size          int
	conventional                  int
	maxOpen, maxActive, maxAppend int
	start                         []modelStart
}

// modelStart is how a zone is found.
type modelStart struct {
	written int
	cond    string
}

type modelZone struct {
	cond    string
	cells   []cell // of the capacity
	written int    // when it was last written
	failed  bool   // a write failed, and not all that were in flight have ended
	lost    []int  // requests in flight above one that failed
	owner   int    // request that has it for itself, or nobody
	readers []int
	parked  []int
}

// cell is one byte.
type cell struct {
	is byte // free, asked, landed, there
	by int
}

const (
	free   = '.'
	asked  = '?'
	landed = '!'
	there  = '#'

	nobody = -1
)

type modelReq struct {
	kind   string
	off, n int
	zone   int
	owns   []int
	upto   int
}

func newModel(s setup, requests int) *model {
	m := &model{setup: s, reqs: make([]modelReq, requests)}
	for i := 0; i*s.zone < s.size; i++ {
		room := min(s.capacity, s.size-i*s.zone)
		z := modelZone{cond: "empty", cells: make([]cell, room), owner: nobody}
		for k := range z.cells {
			z.cells[k] = cell{is: free, by: nobody}
		}
		for k := range min(room, s.start[i].written) {
			z.cells[k].is = there
		}
		m.zones = append(m.zones, z)
		m.find(i, s.start[i].cond)
	}
	return m
}

// find gives zone i the condition that it is found in.
func (m *model) find(i int, said string) {
	z := &m.zones[i]
	n := z.count(there)
	limited := m.maxOpen != 0 && m.countOpen() >= m.maxOpen
	switch {
	case said == "read-only" || said == "offline":
		z.cond = said
	case i < m.conventional:
		z.cond = "not-write-pointer"
	case n == len(z.cells):
		z.cond = "full"
	case strings.HasSuffix(said, "-open") && !limited:
		z.cond = said
	case n > 0:
		z.cond = "closed"
	}
	if i < m.conventional {
		z.cells = nil
	}
	m.now++
	z.written = m.now
}

func (z *modelZone) count(is byte) (n int) {
	for _, c := range z.cells {
		if c.is == is {
			n++
		}
	}
	return n
}

func (z *modelZone) inflight() bool { return z.count(asked)+z.count(landed)+len(z.lost) > 0 }
func (z *modelZone) open() bool     { return z.cond == "implicit-open" || z.cond == "explicit-open" }
func (z *modelZone) active() bool   { return z.open() || z.cond == "closed" }

func (m *model) countOpen() (n int) {
	for i := range m.zones {
		if m.zones[i].open() {
			n++
		}
	}
	return n
}

func (m *model) countActive() (n int) {
	for i := range m.zones {
		if m.zones[i].active() {
			n++
		}
	}
	return n
}

// wp is where the next write of zone i goes.
func (m *model) wp(i int) int {
	z := &m.zones[i]
	return i*m.zone + len(z.cells) - z.count(free)
}

// begin is the Begin of request id; again says that it was parked before.
func (m *model) begin(id int, kind string, off, n int, again bool) string {
	old := m.reqs[id]
	r := &m.reqs[id]
	*r = modelReq{kind: kind, off: off, n: n}
	if kind == "reset-all" {
		if again {
			r.owns, r.upto = old.owns, old.upto
		} else {
			r.upto = m.conventional
		}
		return m.resetAll(id)
	}
	if why := m.misplaced(kind, off, n); why != "" {
		return "refused: " + why
	}
	r.zone = off / m.zone
	z := &m.zones[r.zone]
	switch kind {
	case "read":
		return m.read(id, z)
	case "write", "append":
		return m.write(id, z)
	case "open":
		return m.open(id, z)
	case "close":
		return m.close(id, z)
	}
	return m.own(id, z)
}

func (m *model) misplaced(kind string, off, n int) string {
	bytes := 0
	if kind == "read" || kind == "write" {
		bytes = n
	}
	switch {
	case off >= m.size || off+bytes > m.size:
		return "outside the disk"
	case off+bytes > (off/m.zone+1)*m.zone:
		return "crosses a zone boundary"
	case kind != "read" && kind != "write" && off%m.zone != 0:
		return "not at the start of a zone"
	case kind == "append" && m.maxAppend != 0 && n > m.maxAppend:
		return "append larger than the device allows"
	}
	return ""
}

func (m *model) read(id int, z *modelZone) string {
	r := &m.reqs[id]
	switch {
	case z.cond == "offline":
		return "refused: zone is offline"
	case r.zone < m.conventional:
		return fmt.Sprintf("granted %d", r.n)
	case z.owner != nobody || len(z.parked) > 0:
		return z.park(id)
	}
	z.readers = append(z.readers, id)
	n := 0
	for k := r.off - r.zone*m.zone; n < r.n && k+n < len(z.cells) && z.cells[k+n].is == there; {
		n++
	}
	return fmt.Sprintf("granted %d", n)
}

func (z *modelZone) park(id int) string {
	z.parked = append(z.parked, id)
	return "parked"
}

// barred says why a zone takes no change at all.
func (z *modelZone) barred() string {
	switch z.cond {
	case "not-write-pointer":
		return "refused: conventional zone"
	case "read-only", "offline":
		return "refused: zone is " + z.cond
	}
	return ""
}

func (m *model) write(id int, z *modelZone) string {
	r := &m.reqs[id]
	wp := m.wp(r.zone)
	switch {
	case z.cond == "not-write-pointer" && r.kind == "write":
		return "granted"
	case z.owner != nobody || z.failed || len(z.parked) > 0:
		return z.park(id)
	case z.barred() != "":
		return z.barred()
	case z.cond == "full":
		return "refused: zone is full"
	case r.kind == "write" && r.off != wp:
		return "refused: not at the write pointer"
	case r.n > z.count(free):
		return "refused: beyond the zone capacity"
	case r.n == 0:
		return "done"
	}
	if !z.open() {
		if why := m.room(z); why != "" {
			return why
		}
		z.cond = "implicit-open"
	}
	m.now++
	z.written = m.now
	for k := range r.n {
		z.cells[wp-r.zone*m.zone+k] = cell{is: asked, by: id}
	}
	if r.kind == "append" {
		return fmt.Sprintf("granted at %d", wp)
	}
	return "granted"
}

// room finds room for z to be opened.
func (m *model) room(z *modelZone) string {
	if !z.active() && m.maxActive != 0 && m.countActive() >= m.maxActive {
		return "refused: too many active zones"
	}
	if m.maxOpen == 0 || m.countOpen() < m.maxOpen {
		return ""
	}
	var victim *modelZone
	for i := range m.zones {
		if v := &m.zones[i]; v.cond == "implicit-open" && (victim == nil || v.written < victim.written) {
			victim = v
		}
	}
	if victim == nil {
		return "refused: too many open zones"
	}
	victim.shut()
	return ""
}

func (z *modelZone) shut() {
	z.cond = "closed"
	if z.count(free) == len(z.cells) && len(z.lost) == 0 {
		z.cond = "empty"
	}
}

func (m *model) open(id int, z *modelZone) string {
	switch {
	case z.owner != nobody:
		return z.park(id)
	case z.barred() != "":
		return z.barred()
	case z.cond == "full":
		return "refused: zone is full"
	case !z.open():
		if why := m.room(z); why != "" {
			return why
		}
	}
	z.cond = "explicit-open"
	return "done"
}

func (m *model) close(id int, z *modelZone) string {
	switch {
	case z.owner != nobody || z.inflight():
		return z.park(id)
	case z.barred() != "":
		return z.barred()
	case z.open():
		z.shut()
	}
	return "done"
}

func (z *modelZone) busy() bool {
	return z.owner != nobody || z.inflight() || len(z.readers) > 0 || len(z.parked) > 0
}

// own is reset and finish.
func (m *model) own(id int, z *modelZone) string {
	goal := map[string]string{"reset": "empty", "finish": "full"}[m.reqs[id].kind]
	switch {
	case z.busy():
		return z.park(id)
	case z.barred() != "":
		return z.barred()
	case z.cond == goal:
		return "done"
	}
	z.owner = id
	m.reqs[id].owns = []int{m.reqs[id].zone}
	return "granted"
}

func (m *model) resetAll(id int) string {
	r := &m.reqs[id]
	for ; r.upto < len(m.zones); r.upto++ {
		z := &m.zones[r.upto]
		if z.busy() {
			return z.park(id)
		}
		if z.barred() == "" && z.cond != "empty" {
			z.owner = id
			r.owns = append(slices.Clone(r.owns), r.upto)
		}
	}
	if len(r.owns) == 0 {
		return "done"
	}
	return "granted"
}
