// SPDX-License-Identifier: Apache-2.0

package check

import (
	"zqublkd/qcow2/format"
)

// checkPrivate reads our own extension and compares it with the zones. A record
// that this program does not know may point to clusters.
func (c *checker) checkPrivate() error {
	data := c.extension(format.ExtPrivate, "private", format.PrivateHeader)
	if data == nil {
		return nil
	}
	p, err := format.ParsePrivate(data)
	if err != nil {
		c.damage(0, "%v", err)
		return nil
	}
	if err := p.MustUnderstand(); err != nil {
		c.damaged = true
		c.note(0, "%v", err)
	}
	if zoned := c.h.Incompatible&format.IncompatZoned != 0; zoned && c.zones == nil {
		return nil // said already
	}
	if err := p.Conditions.Fits(c.zones); err != nil {
		c.corruption(0, "%v", err)
	}
	return c.checkCounters(p.Counters)
}
