// SPDX-License-Identifier: Apache-2.0

package imagefile

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	for _, c := range []struct {
		name string
		path string // empty: refused
		says string // the format, or why it is refused
	}{
		{"base.qcow2", "/images/base.qcow2", ""},
		{"sub/../base.qcow2", "/images/base.qcow2", ""},
		{"/var/base", "/var/base", ""},
		{"./nbd:x", "/images/nbd:x", ""},
		{"file:base.raw", "/images/base.raw", ""},
		{"file:/var/base", "/var/base", ""},
		{`json:{"driver":"qcow2","file":{"driver":"file","filename":"base"}}`, "/images/base", "qcow2"},
		{`json:{"driver":"raw","file.driver":"host_device","file.filename":"/dev/ram0"}`, "/dev/ram0", "raw"},
		{`json:{"driver":"file","filename":"base"}`, "/images/base", ""},
		{`json:{"file":{"filename":"base"}}`, "/images/base", ""},
		{"", "", "no file"},
		{"file:", "", "no file"},
		{"a\x00b", "", "no file"},
		{"nbd://host/export", "", `"nbd"`},
		{"nbd:unix:/sock", "", `"nbd"`},
		{"https://host/x", "", `"https"`},
		{"fat:rw:/etc", "", `"fat"`},
		{"json:", "", "JSON"},
		{"json:[1]", "", "JSON"},
		{`json:{"driver":"qcow2","file":{"driver":"nbd","host":"h"}}`, "", `driver "nbd"`},
		{`json:{"driver":"qcow2","file":{"driver":"file","filename":"base","locking":"off"}}`, "", `"file.locking"`},
		{`json:{"driver":"qcow2","lazy-refcounts":true,"file":{"filename":"base"}}`, "", `"lazy-refcounts"`},
		{`json:{"driver":"qcow2"}`, "", "no file"},
		{`json:{"a":{"b":{"c":{"d":{"e":"f"}}}}}`, "", "too deep"},
	} {
		got, err := parseName(c.name, "/images")
		switch {
		case c.path == "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%q: %+v, error %v, want one about %s", c.name, got, err, c.says)
		case c.path != "" && (err != nil || got.path != c.path || got.format != c.says):
			t.Errorf("%q: %+v, error %v, want %s of format %q", c.name, got, err, c.path, c.says)
		}
	}
}

// FuzzParseName: whatever the name, what comes out is an absolute path or an
// error.
func FuzzParseName(f *testing.F) {
	f.Add("base.qcow2")
	f.Add("nbd://x")
	f.Add(`json:{"driver":"qcow2","file":{"driver":"file","filename":"base"}}`)
	f.Fuzz(func(t *testing.T, name string) {
		got, err := parseName(name, "/images")
		if err == nil && (!filepath.IsAbs(got.path) || strings.ContainsRune(got.path, 0)) {
			t.Fatalf("%q leads to %q", name, got.path)
		}
	})
}
