// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
)

// spoiled makes an image with some of its bytes changed.
func spoiled(t *testing.T, options string, spoil func(b []byte)) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	mustRun(t, "create", "-o", options, image)
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	spoil(b)
	if err := os.WriteFile(image, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return image
}

const zonedOptions = "size=16M,zone.mode=host-managed,zone.size=1M"

// Zones that make no sense are no plain image: report and info say what is wrong.
func TestC26_SenselessZonesAreNoPlainDisk(t *testing.T) {
	for name, c := range map[string]struct {
		at    int
		value uint32
		says  string
	}{
		"capacity":     {zoneCapacityAt, 1<<20 - 1, "zone capacity 1048575 is no multiple of 512"},
		"conventional": {conventionalAt, 17, "17 conventional zones of 16"},
	} {
		t.Run(name, func(t *testing.T) {
			image := spoiled(t, zonedOptions, func(b []byte) { binary.BigEndian.PutUint32(b[c.at:], c.value) })
			out, err := run("report", image)
			if err == nil || exitCode(err) != exitImage || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "plain") {
				t.Errorf("report: %v, printed %q", err, out)
			}
			info := mustRun(t, "info", image)
			if strings.Contains(info, "plain disk") || !strings.Contains(info, c.says) || !strings.Contains(info, "not known") {
				t.Errorf("info:\n%s", info)
			}
		})
	}
}

// Zones that are not trusted are printed, and the exit status says so.
func TestC41_ReportOfDoubtfulZones(t *testing.T) {
	image := spoiled(t, zonedOptions, func(b []byte) { b[zoneTableAt+8] = 1 })
	for _, option := range []string{"--json=false", "--json"} {
		out, err := run("report", option, image)
		if err == nil || exitCode(err) != exitImage || !strings.Contains(err.Error(), "not to be trusted") || strings.Count(out, "\n") < 16 {
			t.Errorf("%v, printed\n%s", err, out)
		}
	}
}

// What opening for writing refuses can't be served.
func TestC41_InfoKnowsWhatAddWillSay(t *testing.T) {
	be := binary.BigEndian
	for name, c := range map[string]struct {
		spoil func(b []byte)
		says  string
	}{
		"refcount table on the header": {func(b []byte) { be.PutUint64(b[48:], 0) }, "refcount table"},
		"L2 table on the header":       {func(b []byte) { be.PutUint64(b[be.Uint64(b[40:]):], 1<<63|1<<40) }, "L1 entry"},
		"refcount block far off":       {func(b []byte) { be.PutUint64(b[be.Uint64(b[48:]):], 1<<40) }, "refcount table entry"},
		"refcount table of no cluster": {func(b []byte) { be.PutUint32(b[56:], 0) }, "refcount table"},
	} {
		t.Run(name, func(t *testing.T) {
			image := spoiled(t, "size=16M", c.spoil)
			info := mustRun(t, "info", image)
			if !strings.Contains(info, "no: ") || !strings.Contains(info, c.says) {
				t.Errorf("info says\n%s", info)
			}
			f, err := storage.Open(image, storage.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := qcow2.Open(f, qcow2.OpenOptions{}); err == nil {
				t.Error("it opens for writing")
			}
		})
	}
}

// An image that a killed daemon has left, which add would take, can be served.
func TestC25_InfoOfWhatAKilledDaemonLeft(t *testing.T) {
	const dirtyBit = 1
	image := spoiled(t, zonedOptions, func(b []byte) { b[79] |= dirtyBit })
	for _, share := range []string{"-U=false", "-U"} {
		info := mustRun(t, "info", share, image)
		if !strings.Contains(info, "can be served:      yes") || !strings.Contains(info, "add frees what leaked") {
			t.Errorf("info %s:\n%s", share, info)
		}
	}
	image = spoiled(t, zonedOptions, func(b []byte) {
		b[79] |= dirtyBit
		b[2<<16], b[2<<16+1] = 0, 0 // refcount of the header, if the block is here
		b[1<<16], b[1<<16+1] = 0, 0
	})
	if info := mustRun(t, "info", image); !strings.Contains(info, "no: ") {
		t.Errorf("info of what add refuses:\n%s", info)
	}
}

// Nothing that an image holds reaches the terminal as it is.
func TestC23_NamesFromImagesAreQuoted(t *testing.T) {
	const name = "\x1b]0;owned\x07\nimage: safe.qcow2\n"
	named := spoiled(t, "size=16M", func(b []byte) {
		binary.BigEndian.PutUint64(b[8:], 0x2000)
		binary.BigEndian.PutUint32(b[16:], uint32(len(name)))
		copy(b[0x2000:], name)
	})
	feature := spoiled(t, "size=16M", func(b []byte) {
		b[72] = 1 << 6 // incompatible bit 62
		at := strings.Index(string(b[:1<<16]), "dirty bit")
		if at < 0 {
			t.Fatal("no feature names")
		}
		b[at-1] = 62
		copy(b[at:], name)
	})
	for _, image := range []string{named, feature} {
		for _, args := range [][]string{{"info"}, {"info", "--json"}, {"map"}, {"report"}, {"check"}, {"export"}} {
			args = append(args, image)
			if args[0] == "export" {
				args = append(args, image+".out")
			}
			out, err := run(args...)
			if err != nil {
				out += err.Error()
			}
			if strings.ContainsAny(out, "\x1b\x07") || strings.Contains(out, "\nimage: safe") {
				t.Errorf("%q prints %q", args, out)
			}
		}
	}
}
