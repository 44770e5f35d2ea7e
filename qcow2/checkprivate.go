package qcow2

// checkPrivate reads our own extension and compares it with the zones. A record
// that this program does not know may point to clusters.
func (c *checker) checkPrivate() error {
	data := c.extension(ExtPrivate, "private", PrivateHeader)
	if data == nil {
		return nil
	}
	p, err := ParsePrivate(data)
	if err != nil {
		c.damage(0, "%v", err)
		return nil
	}
	if err := p.MustUnderstand(); err != nil {
		c.damaged = true
		c.note(0, "%v", err)
	}
	if zoned := c.h.Incompatible&IncompatZoned != 0; zoned && c.zones == nil {
		return nil // said already
	}
	if err := p.Conditions.Fits(c.zones); err != nil {
		c.corruption(0, "%v", err)
	}
	return nil
}
