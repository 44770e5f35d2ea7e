// SPDX-License-Identifier: Apache-2.0

package devname

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCheck(t *testing.T) {
	for _, good := range []string{"a", "disk.qcow2", "my disk", "größe", "a-part", "part1", "ublkb", "ublkb0x", "all.qcow2", "10G", ".hidden", `a\b`, "100%", "'\"$;", strings.Repeat("x", MaxBytes)} {
		if err := Check(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", "-x", "7", "all", "ublkb0", "ublkb0p1", "ublkc12", "a-part1", "a\nb", "a\x00", "a\x1b[31m", "\xff", "a\u202eb", "a\u00a0b", strings.Repeat("x", MaxBytes+1)} {
		if err := Check(bad); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Whatever an image is called, its device has a name.
func TestNamesOfImages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := "/" + string(rapid.SliceOf(rapid.Byte()).Draw(t, "path"))
		for _, name := range []string{OfImage(path), Distinct(path)} {
			if err := Check(name); err != nil {
				t.Fatal(err)
			}
		}
	})
	for path, want := range map[string]string{
		"/srv/disk.qcow2":   "disk.qcow2",
		"/srv/my disk.img":  "my disk.img",
		"/srv/7":            "7-5f352d",
		"/srv/-x":           "x-2f1931",
		"/srv/disk-part1":   "disk-part1-32d9a8",
		"/srv/bell\a.qcow2": "bell_.qcow2-00ae31",
	} {
		if got := OfImage(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// Two names never have one link, and a link has nothing in it that udev would
// replace or split.
func TestLinks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-c\\x20 %$/"'-]{1,6}`)
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		if a != b && Link(a) == Link(b) {
			t.Fatalf("%q and %q: %s", a, b, Link(a))
		}
		if strings.ContainsAny(Link(a), " /%$\"'") {
			t.Fatalf("%q: %s", a, Link(a))
		}
	})
	if got := ByID("my disk", 2); got != `/dev/disk/by-id/zqublkd-my\x20disk-part2` {
		t.Error(got)
	}
	if got := ByName("a.b", 0); got != "/dev/zqublkd/a.b" {
		t.Error(got)
	}
	if n := len(ByID(strings.Repeat("%", MaxBytes), 128)) - len("/dev/disk/by-id/"); n > 255 {
		t.Errorf("%d bytes are no file name", n)
	}
}
