// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"fmt"
	"time"

	"zqublkd/zoned"
)

// run begins and ends requests until none is left to do and all are answered.
func (c *client) run() error {
	for {
		r := c.next()
		if r == nil {
			return nil
		}
		var err error
		switch r.state {
		case idle:
			c.pick(r)
			c.begun.Add(1)
			err = c.begin(r)
		case comes:
			err = c.begin(r)
		case begun:
			err = c.end(r)
		case waits: // nothing to do but to wait for the others
			select {
			case back := <-c.inbox:
				c.back(back)
			case <-time.After(time.Minute):
				err = fmt.Errorf("a %s at %d was never answered", r.kind, r.off)
			}
		}
		if err != nil {
			return err
		}
	}
}

// next is a request that something can be done about; one that waits if there
// is no other, nil when all is done.
func (c *client) next() *stressed {
	for len(c.inbox) > 0 {
		c.back(<-c.inbox)
	}
	var waiting *stressed
	first := c.rand.IntN(len(c.reqs))
	for k := range c.reqs {
		r := c.reqs[(first+k)%len(c.reqs)]
		switch {
		case r.state == idle && c.left > 0:
			c.left--
			return r
		case r.state == begun || r.state == comes:
			return r
		case r.state == waits:
			waiting = r
		}
	}
	return waiting
}

// back takes a request that somebody's End gave back.
func (c *client) back(r *stressed) {
	if r.op.Outcome == zoned.Retry {
		r.state = comes
		return
	}
	c.answer(r)
	if r.op.Outcome == zoned.Acknowledged && (r.kind == "write" || r.kind == "append") && r.op.Zone != 0 {
		c.acked = append(c.acked, ack{r.op.Zone, r.epoch, r.op.Start, r.op.Length})
	}
}

func (c *client) answer(r *stressed) {
	r.state = idle
	c.answered++
}

func (c *client) pick(r *stressed) {
	r.kind = kinds[c.rand.IntN(len(kinds))]
	i := uint32(c.rand.IntN(stressZones))
	r.off, r.n, r.tag = c.dev.Geometry().Start(i), 1+c.rand.Uint64N(9), byte(1+c.rand.IntN(250))
	if r.kind == "write" {
		r.off = c.dev.State(i).WP
	}
	if r.kind == "read" {
		r.off += c.rand.Uint64N(20)
	}
}

func (c *client) begin(r *stressed) error {
	// From the Begin on, r may come in through the inbox: it must not be
	// touched here unless it is granted or answered.
	r.state = waits
	v, more, err := begin(c.dev, &r.op, r.kind, []uint64{r.off, r.n})
	switch v {
	case zoned.Done, zoned.Refused:
		c.answer(r)
		if v == zoned.Done && err != nil {
			return fmt.Errorf("done, with error %v", err)
		}
	case zoned.Granted:
		r.state, r.epoch, r.readable = begun, c.resets[r.op.Zone].Load(), 0
		if r.kind == "read" {
			fmt.Sscan(more, &r.readable)
		}
		return c.touch(r, 0)
	}
	return nil
}

func (c *client) end(r *stressed) error {
	if err := c.touch(r, 1); err != nil {
		return err
	}
	var io error
	if c.rand.IntN(8) == 0 {
		io = errIO
	}
	if r.kind == "reset" || r.kind == "reset-all" {
		c.wipe(r, io)
	}
	r.state = waits
	list := end(c.dev, &r.op, r.kind, io)
	if r.kind == "read" {
		c.answer(r)
	}
	for o := list; o != nil; {
		next := o.Next()
		back := o.Owner.(*stressed)
		if back.home == c {
			c.back(back)
		} else {
			back.home.inbox <- back
		}
		o = next
	}
	return nil
}

// touch does one half of a request's I/O.
func (c *client) touch(r *stressed, half uint64) error {
	if r.op.Zone == 0 && r.kind != "reset-all" {
		return nil // conventional: nothing keeps requests apart there
	}
	from, to := r.op.Start, r.op.Start+r.op.Length
	switch r.kind {
	case "write", "append":
		for i := from + half; i < to; i += 2 {
			c.disk[i] = r.tag
		}
	case "finish":
		for i := c.dev.State(r.op.Zone).WP; i < c.dev.Geometry().WritableEnd(r.op.Zone); i++ {
			c.disk[i] = finishTag
		}
	case "read":
		for i := from + half; i < from+r.readable; i += 2 {
			if c.disk[i] == 0 {
				return fmt.Errorf("byte %d is readable and was never written", i)
			}
		}
	}
	return nil
}

// wipe empties the zones of a reset.
func (c *client) wipe(r *stressed, io error) {
	if io != nil {
		return
	}
	for _, i := range c.dev.Owned(&r.op) {
		clear(c.disk[c.dev.Geometry().Start(i):c.dev.Geometry().WritableEnd(i)])
		c.resets[i].Add(1)
	}
}
