// SPDX-License-Identifier: Apache-2.0

package format

import "testing"

func TestIsZero(t *testing.T) {
	for n := range 70 {
		b := make([]byte, n)
		if !IsZero(b) {
			t.Errorf("%d zeros are not zero", n)
		}
		for k := range b {
			b[k] = 1
			if IsZero(b) {
				t.Errorf("byte %d of %d overlooked", k, n)
			}
			b[k] = 0
		}
	}
}
