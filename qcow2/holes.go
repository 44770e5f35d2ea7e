// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"io"
	"math"

	"zqublkd/internal/storage"
)

// holes tells what of a file is stored, and asks the file once for each hole
// and each run of data that is looked at. Nobody writes to the file meanwhile.
type holes struct {
	file storage.File

	from, to uint64 // what is known: bytes
	stored   bool
}

// hole is how many bytes from off on are known to be a hole of the file; 0 if
// something is stored there or it can't be told.
func (h *holes) hole(off uint64) uint64 {
	if h.look(off); h.stored {
		return 0
	}
	return h.to - off
}

// look finds out whether something is stored at off, and up to where the same
// holds.
func (h *holes) look(off uint64) {
	if h.from <= off && off < h.to {
		return
	}
	at, err := h.file.SeekData(int64(off))
	switch {
	case err == io.EOF:
		*h = holes{h.file, off, math.MaxInt64, false}
	case err == nil && uint64(at) > off:
		*h = holes{h.file, off, uint64(at), false}
	default:
		*h = holes{h.file, off, off + 1, true}
		if at, err := h.file.SeekHole(int64(off)); err == nil && uint64(at) > off {
			h.to = uint64(at)
		}
	}
}
