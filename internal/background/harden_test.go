// SPDX-License-Identifier: Apache-2.0

package background

import "testing"

func TestPropagates(t *testing.T) {
	const (
		private = "21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
		shared  = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		slave   = "22 1 8:1 / / rw,relatime master:1 - ext4 /dev/sda1 rw\n"
		other   = "23 22 0:5 / /dev rw shared:2 - devtmpfs devtmpfs rw\n"
		odd     = "24 1 8:1 / / rw - ext4 /dev/sda1 rw,shared:3\n"
	)
	for name, c := range map[string]struct {
		mountinfo string
		want      bool
	}{
		"private":                   {private + other, false},
		"shared":                    {shared + other, true},
		"slave":                     {slave, true},
		"shared below, private top": {shared + private, false},
		"private below, shared top": {private + shared, true},
		"an option of that name":    {odd, false},
		"nothing":                   {"", false},
		"cut off":                   {"22 1 8:1 /", false},
	} {
		if got := propagates(c.mountinfo); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
