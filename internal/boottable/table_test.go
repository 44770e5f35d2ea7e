// SPDX-License-Identifier: Apache-2.0

package boottable

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const table = `
# name  image            options
root    /srv/root.qcow2  number=0
data	/srv/data.qcow2
  logs  /srv/logs.qcow2  nofail,read-only,queues=2,x-initrd.attach
net     /nfs/net.qcow2   _netdev,noauto,recovery=reissue
my\040disk  /srv/my\040disk\134x.qcow2  defaults
seen    /srv/seen.qcow2  metrics,watch-group=disk,number=7
`
	got, err := Parse(strings.NewReader(table), "table")
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Name: "root", Image: "/srv/root.qcow2", Number: 0},
		{Name: "data", Image: "/srv/data.qcow2", Number: 581},
		{Name: "logs", Image: "/srv/logs.qcow2", Number: 822, NoFail: true, Args: []string{"--read-only", "--queues", "2"}},
		{Name: "net", Image: "/nfs/net.qcow2", Number: 508, NetDev: true, NoAuto: true, Args: []string{"--recovery", "reissue"}},
		{Name: "my disk", Image: `/srv/my disk\x.qcow2`, Number: 596},
		{Name: "seen", Image: "/srv/seen.qcow2", Number: 7, Group: "disk", Args: []string{"--metrics", "--watch-group", "disk"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A bad line costs its own device, and the error says where and why.
func TestBadLines(t *testing.T) {
	for _, c := range []struct{ line, says string }{
		{"alone", `1 fields: a line is "name image [options]"`},
		{"a /b c d", "4 fields"},
		{"a/b /srv/x", "it has a slash"},
		{"a-part1 /srv/x", "it ends like a partition's"},
		{`a\012b /srv/x`, "characters that can't be printed"},
		{`a\777 /srv/x`, `\777 is no character`},
		{"a srv/x", "give its whole path"},
		{"a /srv/../x", "give its whole path"},
		{`a /srv/x\012ExecStart=/bin/sh`, "control characters"},
		{"a /srv/x number=-1", `number "-1": must be from 0 to 1048575`},
		{"a /srv/x number=1048576", "must be from 0 to 1048575"},
		{"a /srv/x number", `option "number" is not known`},
		{"a /srv/x cache=fast", `option "cache=fast": its value must match`},
		{"a /srv/x queues=2\\040--run-dir", "its value must match"},
		{`a /srv/x watch-group=a\012ExecStart=/bin/sh`, "its value must match"},
		{"a /srv/x watch-group=", "its value must match"},
		{"a /srv/x snapshot=x", `option "snapshot=x" is not known: there are noauto`},
		{"good /srv/other", `name "good" is that of line 1`},
		{"other /srv/good", `image "/srv/good" is that of line 1`},
		{"other /srv/other number=5", "number 5 is that of line 1"},
	} {
		t.Run(c.line, func(t *testing.T) {
			list, err := Parse(strings.NewReader("good /srv/good number=5\n"+c.line+"\nlast /srv/last\n"), "/etc/zqublkd/table")
			var bad *LineError
			if !errors.As(err, &bad) || bad.Line != 2 || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "/etc/zqublkd/table:2: ") {
				t.Errorf("error %q, want line 2 and %q", err, c.says)
			}
			if len(list) != 2 || list[0].Name != "good" || list[1].Name != "last" {
				t.Errorf("the other lines became %+v", list)
			}
		})
	}
}

// A number stays with its name, whatever other lines there are, and no two
// lines get the same.
func TestNumbers(t *testing.T) {
	one, err := Parse(strings.NewReader("data /srv/data\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i := range 800 {
		all.WriteString(fmt.Sprintf("n%d /srv/%d\n", i, i))
	}
	many, err := Parse(strings.NewReader("data /srv/data\n"+all.String()), "")
	if err != nil {
		t.Fatal(err)
	}
	if one[0].Number != many[0].Number {
		t.Errorf("number %d alone, %d among others", one[0].Number, many[0].Number)
	}
	seen := map[uint32]string{}
	for _, e := range many {
		if other := seen[e.Number]; other != "" {
			t.Fatalf("%s and %s have number %d", other, e.Name, e.Number)
		}
		seen[e.Number] = e.Name
	}
}
