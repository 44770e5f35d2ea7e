// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"fmt"
	"slices"
	"strings"
)

// said collects what an End says.
type said []string

func (s *said) say(id int, how string) { *s = append(*s, fmt.Sprintf("%d %s", id, how)) }

func (s said) String() string {
	if len(s) == 0 {
		return "nothing"
	}
	return strings.Join(s, ", ")
}

// end is the End of granted request id.
func (m *model) end(id int, fails bool) string {
	var out said
	r := &m.reqs[id]
	how := "ok"
	if fails {
		how = "failed"
	}
	switch {
	case r.kind == "read":
		m.endRead(id, &out)
	case r.kind == "reset" || r.kind == "finish" || r.kind == "reset-all":
		out.say(id, how)
		m.endOwned(id, fails, &out)
	case r.zone < m.conventional:
		out.say(id, how)
	default:
		m.endWrite(id, fails, &out)
	}
	return out.String()
}

func (m *model) endRead(id int, out *said) {
	r := &m.reqs[id]
	if r.zone < m.conventional {
		return
	}
	z := &m.zones[r.zone]
	z.readers = without(z.readers, id)
	z.wake(out)
}

func without(ids []int, id int) []int {
	return slices.DeleteFunc(slices.Clone(ids), func(i int) bool { return i == id })
}

// wake lets the parked go on if nothing is in the way any more.
func (z *modelZone) wake(out *said) {
	if z.owner != nobody || z.inflight() || len(z.readers) > 0 {
		return
	}
	for _, id := range z.parked {
		out.say(id, "again")
	}
	z.parked = nil
}

func (m *model) endOwned(id int, fails bool, out *said) {
	r := &m.reqs[id]
	for _, i := range r.owns {
		z := &m.zones[i]
		z.owner = nobody
		if !fails {
			z.cond = "empty"
			c := cell{is: free, by: nobody}
			if r.kind == "finish" {
				z.cond = "full"
				c.is = there
			}
			for k := range z.cells {
				z.cells[k] = c
			}
		}
		z.wake(out)
	}
	r.owns = nil
}

func (m *model) endWrite(id int, fails bool, out *said) {
	z := &m.zones[m.reqs[id].zone]
	switch {
	case slices.Contains(z.lost, id):
		z.lost = without(z.lost, id)
		if fails {
			out.say(id, "failed")
		} else {
			out.say(id, "aborted")
		}
	case fails:
		out.say(id, "failed")
		z.lose(id, out)
	default:
		z.land(id, out)
	}
	if !z.inflight() {
		z.failed = false
		if z.cond == "closed" && z.count(there) == 0 {
			z.cond = "empty"
		}
	}
	z.wake(out)
}

// lose gives up the cells of request id and all above.
func (z *modelZone) lose(id int, out *said) {
	z.failed = true
	above := false
	last := id
	for k := range z.cells {
		c := &z.cells[k]
		above = above || c.by == id
		if !above || c.is == free {
			continue
		}
		if c.by != last && c.is == landed {
			out.say(c.by, "aborted")
		}
		if c.by != last && c.is == asked {
			z.lost = append(slices.Clone(z.lost), c.by)
		}
		last = c.by
		*c = cell{is: free, by: nobody}
	}
}

// land marks the cells of request id and answers from the bottom.
func (z *modelZone) land(id int, out *said) {
	last := nobody
	solid := true
	for k := range z.cells {
		c := &z.cells[k]
		if c.by == id && c.is == asked {
			c.is = landed
		}
		solid = solid && (c.is == there || c.is == landed)
		if !solid || c.is == there {
			continue
		}
		if c.by != last {
			out.say(c.by, "ok")
		}
		last = c.by
		*c = cell{is: there, by: nobody}
	}
	if z.count(there) == len(z.cells) {
		z.cond = "full"
	}
}

// clone copies the model, so that the copy can go another way.
func (m *model) clone() *model {
	c := *m
	c.zones = slices.Clone(m.zones)
	for i := range c.zones {
		z := &c.zones[i]
		z.cells = slices.Clone(z.cells)
		z.lost, z.readers, z.parked = slices.Clone(z.lost), slices.Clone(z.readers), slices.Clone(z.parked)
	}
	c.reqs = slices.Clone(m.reqs)
	return &c
}
