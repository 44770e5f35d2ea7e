// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"testing"
)

// TestGaps: neighbours are one gap, and of too many the last stands for the rest.
func TestGaps(t *testing.T) {
	g := gaps{}
	g.add(0, 512, errors.New("first"))
	g.add(512, 512, errors.New("second"))
	if len(g.list) != 1 || g.list[0] != (gap{0, 1024, "first"}) {
		t.Errorf("%+v", g)
	}
	for k := range uint64(2 * maxGaps) {
		g.add(4096*(k+1), 512, errors.New("each"))
	}
	last := g.list[len(g.list)-1]
	if len(g.list) != maxGaps || g.pieces != 2*maxGaps+1 || g.bytes != 1024+2*maxGaps*512 ||
		last.Start != 4096*(maxGaps-1) || last.Start+last.Length != 4096*2*maxGaps+512 || last.Why != "parts of this, too many to be listed: each" {
		t.Errorf("%d gaps of %d, %d bytes; %+v", len(g.list), g.pieces, g.bytes, last)
	}
}
