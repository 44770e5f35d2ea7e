// SPDX-License-Identifier: Apache-2.0

package ublktest

import (
	"errors"
	"strings"
	"testing"

	"zqublkd/ublk"
	"zqublkd/uring"
)

// TestFaultsAreSeen makes the mistakes the kernel would make a server pay for.
func TestFaultsAreSeen(t *testing.T) {
	read := ublk.NewIODesc(ublk.OpRead, 0, 0, 8)
	for name, c := range map[string]struct {
		before tag
		cmd    ublk.TagCommand
		want   string // empty: no fault
	}{
		"first fetch":        {tag{}, ublk.TagCommand{Fetch: true}, ""},
		"second fetch":       {tag{fetched: true}, ublk.TagCommand{Fetch: true}, "fetch true of a tag"},
		"fetch when busy":    {tag{busy: true}, ublk.TagCommand{Fetch: true}, "fetch true of a tag"},
		"answer":             {tag{busy: true, desc: read}, ublk.TagCommand{Result: 4096}, ""},
		"error":              {tag{busy: true, desc: read}, ublk.TagCommand{Result: -5}, ""},
		"second answer":      {tag{fetched: true}, ublk.TagCommand{Result: 4096}, "fetch false of a tag"},
		"answer to nothing":  {tag{}, ublk.TagCommand{Result: 4096}, "fetch false of a tag"},
		"short answer":       {tag{busy: true, desc: read}, ublk.TagCommand{Result: 512}, "answered with 512 bytes"},
		"sector of a read":   {tag{busy: true, desc: read}, ublk.TagCommand{Result: 4096, Sector: 7}, "answered with a sector"},
		"short report":       {tag{busy: true, desc: ublk.NewIODesc(ublk.OpReportZones, 0, 0, 4)}, ublk.TagCommand{Result: 64}, "answered with 64 bytes"},
		"report with plenty": {tag{busy: true, desc: ublk.NewIODesc(ublk.OpReportZones, 0, 0, 4)}, ublk.TagCommand{Result: 1 << 20}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := New(1, 1, 0)
			if errors.Is(err, uring.ErrDisabled) {
				t.Skip("io_uring is forbidden on this machine: ", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			c.before.done = make(chan Answer, 1)
			d.queues[0].tags[0] = c.before
			d.command(c.cmd, 0)
			err = d.Close()
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("faults: %v, want %q", err, c.want)
			}
		})
	}
}

func TestCommandsSurviveThePipe(t *testing.T) {
	c := ublk.TagCommand{Queue: 3, Tag: 0x102, Fetch: true, Result: -28, Sector: 1 << 40}
	var b [slotBytes]byte
	put(b[:], c, 0x1234567890)
	if got, user := get(b[:]); got != c || user != 0x1234567890 {
		t.Errorf("%+v, %#x", got, user)
	}
}
