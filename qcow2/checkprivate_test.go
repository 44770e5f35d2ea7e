package qcow2

import "testing"

// Clusters that only an unknown record points to must not be freed.
func TestCheckUnknownPrivateRecord(t *testing.T) {
	im := newHandImage(t, handOptions{clusterBits: 16, order: 4})
	im.setRefcount(im.grow(1), 1)
	p := PrivateExtension{unknown: []privateRecord{{99 | tagMustUnderstand, nil}}}
	im.h.Extensions = append(im.h.Extensions, Extension{ExtPrivate, p.encode()})
	im.writeHeader()
	r := mustCheck(t, im, CheckOptions{Repair: RepairAll})
	if r.Leaks != 1 || r.Corruptions != 0 || r.LeaksFixed != 0 {
		t.Error(text(r))
	}
}
