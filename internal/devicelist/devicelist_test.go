// SPDX-License-Identifier: Apache-2.0

package devicelist

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zqublkd/internal/nvmet"
	"zqublkd/internal/server"
)

// golden is a zoned device of which everything is known.
func golden() Device {
	return Device{
		Record: server.Record{
			Options: server.Options{Image: "/srv/golden.qcow2", Name: "golden", Recovery: server.RecoveryReissue,
				Cache: "writeback", Queues: 2, Depth: 128},
			ID: 7, Node: "/dev/ublkb7", PID: 4711, Unit: "zqublkd@golden.service",
			Started: time.Date(2031, 5, 6, 7, 8, 9, 0, time.FixedZone("CEST", 7200)),
		},
		Kind: "zoned", State: "live", Size: 8 << 30, Zones: 32, Holders: []string{"/mnt/a", "/mnt/b"},
	}
}

// bare is a device of which nothing is known but its number.
func bare() Device {
	return Device{Record: server.Record{ID: 12, Node: "/dev/ublkb12"}, Kind: "plain", State: "dead"}
}

func TestCells(t *testing.T) {
	for name, c := range map[string]struct {
		column string
		change func(*Device)
		want   string
	}{
		"number":                {"id", nil, "7"},
		"node":                  {"node", nil, "/dev/ublkb7"},
		"name":                  {"name", nil, "golden"},
		"kind":                  {"kind", nil, "zoned"},
		"live":                  {"state", nil, "live"},
		"given up":              {"state", func(d *Device) { d.State, d.Reason = "given-up", "it died 3 times" }, "given-up (it died 3 times)"},
		"failed":                {"state", func(d *Device) { d.State, d.Reason = "failed", "no space" }, "failed"},
		"size":                  {"size", nil, "8G"},
		"no size":               {"size", func(d *Device) { d.Size = 0 }, ""},
		"zones":                 {"zones", nil, "32"},
		"no zones":              {"zones", func(d *Device) { d.Zones = 0 }, ""},
		"writable":              {"ro", nil, "no"},
		"read-only":             {"ro", func(d *Device) { d.ReadOnly = true }, "yes"},
		"recovery":              {"recovery", nil, "reissue"},
		"holders":               {"holders", nil, "/mnt/a, /mnt/b"},
		"not shared":            {"share", nil, ""},
		"shared with anybody":   {"share", func(d *Device) { d.Share = &nvmet.Share{Transport: nvmet.TCP, Address: "10.0.0.1:4420"} }, "nvme-tcp 10.0.0.1:4420 (any host)"},
		"shared with two":       {"share", func(d *Device) { d.Share = &nvmet.Share{Transport: nvmet.Loop, Hosts: []string{"nqn.a", "nqn.b"}} }, "nvme-loop (nqn.a, nqn.b)"},
		"process":               {"pid", nil, "4711"},
		"image":                 {"image", nil, "/srv/golden.qcow2"},
		"image that is deleted": {"image", func(d *Device) { d.Gone = true }, "/srv/golden.qcow2 (deleted)"},
		"snapshot": {"image", func(d *Device) { d.SnapshotOf, d.Image, d.Gone = d.Image, "/tmp/overlay", true },
			"/srv/golden.qcow2 (snapshot)"},
		"cache":   {"cache", nil, "writeback"},
		"queues":  {"queues", nil, "2"},
		"depth":   {"depth", nil, "128"},
		"unit":    {"unit", nil, "zqublkd@golden.service"},
		"started": {"started", nil, "2031-05-06T05:08:09Z"},
	} {
		t.Run(name, func(t *testing.T) {
			d := golden()
			if c.change != nil {
				c.change(&d)
			}
			for _, col := range Columns {
				if col.Name == c.column {
					if got := col.text(d); got != c.want {
						t.Errorf("%s is %q, want %q", c.column, got, c.want)
					}
					return
				}
			}
			t.Errorf("there is no column %s", c.column)
		})
	}
}

// TestPrint: each line has as many words as the first, whatever a name holds.
func TestPrint(t *testing.T) {
	columns := func(names ...string) (list []Column) {
		for _, col := range Columns {
			for _, name := range names {
				if col.Name == name {
					list = append(list, col)
				}
			}
		}
		return list
	}
	odd := bare()
	odd.Name = "a\x1b[31m\nb"
	for name, c := range map[string]struct {
		list     []Device
		columns  []Column
		headings bool
		want     string
	}{
		"no device":   {nil, columns("id", "node"), true, "ID  NODE\n"},
		"nothing":     {nil, columns("id", "node"), false, ""},
		"no headings": {[]Device{bare()}, columns("id", "node"), false, "12  /dev/ublkb12\n"},
		"empty cells": {[]Device{golden(), bare()}, columns("id", "size", "zones", "unit"), true,
			"ID  SIZE  ZONES  UNIT\n7   8G    32     zqublkd@golden.service\n12  -     -      -\n"},
		"odd name": {[]Device{odd}, columns("id", "name"), false, "12  \"a\\x1b[31m\\nb\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := Print(&b, c.list, c.columns, c.headings); err != nil || b.String() != c.want {
				t.Errorf("printed %q (%v), want %q", b.String(), err, c.want)
			}
		})
	}
}

// TestHelp: --help says what each column is, and which there are.
func TestHelp(t *testing.T) {
	lines := strings.Split(Help(), "\n")
	if len(lines) != len(Columns) || len(Names()) != len(Columns) {
		t.Fatalf("%d columns, %d lines of help, %d names", len(Columns), len(lines), len(Names()))
	}
	for k, col := range Columns {
		if want := strings.Fields(col.Name + " " + col.About); Names()[k] != col.Name || strings.Join(strings.Fields(lines[k]), " ") != strings.Join(want, " ") {
			t.Errorf("column %s: name %q, help %q", col.Name, Names()[k], lines[k])
		}
	}
}

// daemon answers at the control socket of device 900 by a line; an empty one is none at all.
func daemon(t *testing.T, r server.Record, answer string) (runDir string) {
	t.Helper()
	runDir = t.TempDir()
	dir := filepath.Join(runDir, "900")
	b, err := json.Marshal(r)
	if err == nil {
		err = os.Mkdir(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "record.json"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() }) // until then it is open
			if answer != "" {
				bufio.NewReader(c).ReadString('\n')
				c.Write([]byte(answer + "\n"))
				c.Close()
			}
		}
	}()
	return runDir
}

func TestLook(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(*server.Record)
		answer        string // of the daemon
		state, reason string
	}{
		"unknown":           {func(r *server.Record) { r.Unknown = true }, `{}`, "unknown (no permission)", ""},
		"dead":              {func(r *server.Record) { r.Alive = false }, `{}`, "dead", ""},
		"given up":          {func(r *server.Record) { r.Alive, r.GivenUp = false, "it died 3 times" }, `{}`, "given-up", "it died 3 times"},
		"starting":          {func(r *server.Record) { r.Starting = true }, `{}`, "starting", ""},
		"live":              {func(*server.Record) {}, `{"status":{}}`, "live", ""},
		"read-only":         {func(r *server.Record) { r.ReadOnly = true }, `{"status":{}}`, "read-only", ""},
		"failed":            {func(r *server.Record) { r.ReadOnly = true }, `{"status":{"failure":"no space"}}`, "failed", "no space"},
		"no answer":         {func(*server.Record) {}, "", "hung", ""},
		"answers otherwise": {func(*server.Record) {}, `{"error":"unknown verb"}`, "live", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := server.Record{ID: 900, Node: "/dev/ublkb900", Alive: true}
			c.change(&r)
			if d := Look(daemon(t, r, c.answer), r); d.State != c.state || d.Reason != c.reason {
				t.Errorf("state %q (%s), want %q (%s)", d.State, d.Reason, c.state, c.reason)
			}
		})
	}
}

// TestLookAtWhatIsGone: of a device that is not there nothing is made up, and its image has gone.
func TestLookAtWhatIsGone(t *testing.T) {
	r := server.Record{Options: server.Options{Image: filepath.Join(t.TempDir(), "image")}, ID: 900, Node: "/dev/ublkb900", Zoned: true}
	d := Look(t.TempDir(), r)
	if d.Kind != "zoned" || d.Size != 0 || d.Zones != 0 || d.Holders == nil || len(d.Holders) != 0 || d.Share != nil || !d.Gone {
		t.Errorf("%+v", d)
	}
	if r.Zoned = false; Look(t.TempDir(), r).Kind != "plain" {
		t.Error("a plain device is zoned")
	}
}
