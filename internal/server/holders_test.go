// SPDX-License-Identifier: Apache-2.0

package server

import "testing"

func TestIsNode(t *testing.T) {
	for path, want := range map[string]bool{
		"/dev/ublkb1": true, "/dev/ublkb1p1": true, "/dev/ublkb1p12": true,
		"/dev/ublkb11": false, "/dev/ublkb11p1": false, "/dev/ublkb1x": false, "/dev/ublkc1": false, "": false,
	} {
		if got := isNode(1, path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}

func TestParseMount(t *testing.T) {
	point, source := parseMount("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue")
	if point != "/mnt2" || source != "/dev/root" {
		t.Errorf("got %q, %q", point, source)
	}
	for _, line := range []string{"", "a b c", "36 35 98:0 /mnt1 /mnt2 rw", " - ", "1 2 3 4 5 - x"} {
		if point, source := parseMount(line); point != "" || source != "" {
			t.Errorf("%q: got %q, %q", line, point, source)
		}
	}
}
