// SPDX-License-Identifier: Apache-2.0

package nvmet

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1:4420": "10.0.0.1:4420", "[FD00::1]:4420": "[fd00::1]:4420", "[::ffff:10.0.0.1]:1": "10.0.0.1:1",
		"0.0.0.0:65535": "0.0.0.0:65535", "[fe80::1%eth0]:4420": "[fe80::1%eth0]:4420",
		"": "", "10.0.0.1": "", ":4420": "", "localhost:4420": "", "10.0.0.1:0": "", "10.0.0.1:65536": "", "10.0.0.1:4420\n": "",
		"[fe80::1%a\nb]:4420": "", "[fe80::1%../x]:4420": "", "010.0.0.1:4420": "",
	} {
		got, err := Address(text)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrSpec) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestCheckHost(t *testing.T) {
	for nqn, good := range map[string]bool{
		hostA: true, "nqn.2026-11.org.example:ä": true, "nqn." + strings.Repeat("a", 219): true,
		"": false, "..": false, "uuid:a": false, "nqn.a/b": false, "nqn./../..": false, "nqn.a\nb": false, "nqn.\xff": false,
		"nqn.a b": false, "nqn." + strings.Repeat("a", 220): false, "nqn.a\x00": false,
	} {
		if err := CheckHost(nqn); (err == nil) != good || err != nil && !errors.Is(err, ErrSpec) {
			t.Errorf("%q: %v", nqn, err)
		}
	}
}

func TestOnlyHere(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "0.0.0.0:1": false, "10.0.0.1:1": false, "": false} {
		if got := (Share{Transport: TCP, Address: address}).OnlyHere(); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
	if !(Share{Transport: Loop}).OnlyHere() {
		t.Error("loop leaves this machine")
	}
}

func TestDisk(t *testing.T) {
	zoned := Disk{Node: "/dev/ublkb0", Zoned: true, Bytes: 64 << 20, ZoneBytes: 8 << 20, AppendBytes: 1 << 20}
	for name, c := range map[string]struct {
		change func(*Disk)
		says   string
	}{
		"zoned":          {func(d *Disk) {}, ""},
		"plain":          {func(d *Disk) { *d = Disk{Bytes: 1000} }, ""},
		"least append":   {func(d *Disk) { d.AppendBytes = 4096 }, ""},
		"short append":   {func(d *Disk) { d.AppendBytes = 3584 }, "zone.max_append_bytes"},
		"no append":      {func(d *Disk) { d.AppendBytes = 0 }, "longest zone append is 0 bytes"},
		"conventional":   {func(d *Disk) { d.Conventional = 2 }, "2 of its zones are conventional"},
		"short last":     {func(d *Disk) { d.Bytes -= 4096 }, "last zone is smaller"},
		"read-only":      {func(d *Disk) { d.ReadOnly = true }, "without --read-only"},
		"gone":           {func(d *Disk) { d.Bytes = 0 }, "last zone"},
		"no zone length": {func(d *Disk) { d.ZoneBytes = 0 }, "last zone"},
	} {
		d := zoned
		c.change(&d)
		err := d.Check()
		if (err == nil) != (c.says == "") || err != nil && (!errors.Is(err, ErrDisk) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestNQN: no two names have one NQN, and each is one that NVMe and configfs take.
func TestNQN(t *testing.T) {
	target := &Target{machine: thisMachine()}
	fits := regexp.MustCompile(`^nqn\.2026-11\.zqublkd:[0-9a-f]{12}:[A-Za-z0-9._%-]*$`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringN(0, 56, 56).Draw(t, "a"), rapid.StringN(0, 56, 56).Draw(t, "b")
		na, nb := target.NQN(a), target.NQN(b)
		if (a == b) != (na == nb) || !fits.MatchString(na) || len(na) > maxNQN {
			t.Fatalf("%q: %q; %q: %q", a, na, b, nb)
		}
		serial, uuid := identity(na)
		if len(serial) != 20 || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(uuid) {
			t.Fatalf("serial %q, uuid %q", serial, uuid)
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"10.0.0.1:4420", "[fe80::1%eth0]:4420", "[::1]:1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Address(text)
		if err != nil {
			return
		}
		if again, err := Address(a); err != nil || again != a || strings.ContainsAny(a, "\n/ \x00") {
			t.Errorf("%q: %q, %q, %v", text, a, again, err)
		}
		for _, set := range portSettings(Share{Transport: TCP, Address: a}) {
			if strings.ContainsAny(set[1], "\n\x00") {
				t.Errorf("%q sets %q", text, set)
			}
		}
	})
}
