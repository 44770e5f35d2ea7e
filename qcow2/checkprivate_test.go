package qcow2

import "testing"

// Clusters that only an unknown record points to must not be freed.
func TestCheckUnknownPrivateRecord(t *testing.T) {
	im := NewImage(t, ImageOptions{ClusterBits: 16, Order: 4})
	im.SetRefcount(im.Grow(1), 1)
	p := PrivateExtension{Unknown: []PrivateRecord{{Tag: 99 | TagMustUnderstand, Data: nil}}}
	im.H.Extensions = append(im.H.Extensions, Extension{Type: ExtPrivate, Data: p.Encode()})
	im.WriteHeader()
	r := MustCheck(t, im, Options{Repair: RepairAll})
	if r.Leaks != 1 || r.Corruptions != 0 || r.LeaksFixed != 0 {
		t.Error(Text(r))
	}
}
