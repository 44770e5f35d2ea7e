// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"fmt"

	"zqublkd/qcow2"
)

// discard discards a range: what it holds then is zero or as before, sector by
// sector, and what is beside it as before.
func (b *bench) discard(i *qcow2.Image, disk []byte, off, n uint64) error {
	if err := i.Discard(off, n); err != nil {
		return err
	}
	got := make([]byte, len(disk))
	if err := i.ReadAt(got, 0); err != nil {
		return err
	}
	for k := range got {
		inside := uint64(k) >= off && uint64(k) < off+n
		if got[k] != disk[k] && !(inside && got[k] == 0) {
			return fmt.Errorf("a discard of %d bytes at %d makes byte %d %#x instead of %#x", n, off, k, got[k], disk[k])
		}
	}
	copy(disk, got)
	return nil
}
