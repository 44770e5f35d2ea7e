// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"encoding/json"

	"zqublkd/qcow2"
)

// qemuRun is a line of qemu-img map --output=json.
type qemuRun struct {
	Start, Length uint64
	Depth         int
	Present       bool
	Zero, Data    bool
	Offset        *uint64
}

// compareMaps compares what we say about each part of the disk with what QEMU
// says: whose it is, whether it is stored, and where.
func (b *bench) compareMaps() {
	b.Helper()
	var runs []qemuRun
	if err := json.Unmarshal([]byte(b.run("qemu-img", "map", "-f", "qcow2", "--output=json", image)), &runs); err != nil {
		b.Fatal(err)
	}
	o := b.open(true)
	defer o.Close()
	err := o.Image.Map(func(m qcow2.Mapped) error {
		for ; len(runs) > 0 && runs[0].Start < m.Start+m.Length; runs = runs[1:] {
			b.compareRun(runs[0], m)
			if runs[0].Start+runs[0].Length > m.Start+m.Length {
				return nil
			}
		}
		return nil
	})
	if err != nil || len(runs) > 1 {
		b.Fatalf("map: %v, %d lines of QEMU left", err, len(runs))
	}
}

// compareRun compares two lines that overlap.
func (b *bench) compareRun(q qemuRun, m qcow2.Mapped) {
	b.Helper()
	// Whether what is stored is a hole of the file QEMU asks of some images only.
	zero := q.Zero == m.Zero || m.Zero && q.Data
	at := max(q.Start, m.Start)
	switch {
	case q.Depth != m.Depth, q.Present != m.Present, q.Data != m.Data, !zero:
		b.Errorf("at %d QEMU says %+v, we %+v", at, q, m)
	case q.Offset != nil && q.Present && !(m.Placed && *q.Offset+at-q.Start == m.Offset+at-m.Start):
		b.Errorf("at %d QEMU says host byte %d, we %+v", at, *q.Offset+at-q.Start, m)
	}
}
