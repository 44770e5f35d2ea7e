// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"testing"

	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
	"zqublkd/qcow2/qcow2test"
)

// Clusters that only an unknown record points to must not be freed.
func TestCheckUnknownPrivateRecord(t *testing.T) {
	im := qcow2test.NewImage(t, qcow2test.ImageOptions{ClusterBits: 16, Order: 4})
	im.SetRefcount(im.Grow(1), 1)
	p := format.PrivateExtension{Unknown: []format.PrivateRecord{{Tag: 99 | format.TagMustUnderstand, Data: nil}}}
	im.H.Extensions = append(im.H.Extensions, format.Extension{Type: format.ExtPrivate, Data: p.Encode()})
	im.WriteHeader()
	r := qcow2test.MustCheck(t, im, check.Options{Repair: check.RepairAll})
	if r.Leaks != 1 || r.Corruptions != 0 || r.LeaksFixed != 0 {
		t.Error(qcow2test.Text(r))
	}
}
