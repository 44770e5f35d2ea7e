// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/binary"

	"zqublkd/qcow2/format"
)

// checkFixed counts the header and what extensions without tables point to.
func (c *checker) checkFixed() error {
	c.count(format.KindHeader, 0, c.g.ClusterSize(), 1, "header")
	if data := c.extension(format.ExtEncryption, "encryption header", encryptionBytes); data != nil {
		off, n := binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:])
		if c.spend(n / 8) {
			c.countAligned(format.KindEncryption, off, n, 1, "encryption header")
		}
	}
	return nil
}

// extension is the data of the one extension of a type, at least so many
// bytes; nil if there is none that can be used.
func (c *checker) extension(t format.ExtensionType, what string, least int) []byte {
	found := format.FindExtensions(c.h.Extensions, t)
	switch {
	case len(found) == 0:
	case len(found) > 1:
		c.damage(0, "the header has %d %s extensions, one is allowed", len(found), what)
	case len(found[0]) < least:
		c.damage(0, "the %s extension has %d bytes, too few", what, len(found[0]))
	default:
		return found[0]
	}
	return nil
}
