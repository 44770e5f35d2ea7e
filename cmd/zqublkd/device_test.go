// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/devicelist"
	"zqublkd/internal/server"
)

// writeRecord records a device as its daemon does, in a run directory for tests.
func writeRecord(t *testing.T, runDir string, r server.Record) string {
	t.Helper()
	dir := filepath.Join(runDir, strconv.FormatUint(uint64(r.ID), 10))
	b, err := json.Marshal(r)
	if err = errors.Join(err, os.MkdirAll(dir, 0o755)); err == nil {
		err = os.WriteFile(filepath.Join(dir, "record.json"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeHung records a device whose daemon lives and takes what it is asked, but
// never answers.
func writeHung(t *testing.T, runDir string, r server.Record) {
	t.Helper()
	dir := writeRecord(t, runDir, r)
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(lock.Fd(), unix.F_OFD_SETLK, &whole); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	image, link := filepath.Join(dir, "a.qcow2"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Symlink("a.qcow2", link)); err != nil {
		t.Fatal(err)
	}
	records := []server.Record{
		{ID: 0, Options: server.Options{Name: "my disk", Image: image}},
		{ID: 7, Options: server.Options{Name: "b", Image: "/gone/b.qcow2"}},
		{ID: 12, Options: server.Options{Name: "c", Image: "/srv/both"}},
		{ID: 13, Options: server.Options{Name: "/srv/both"}},
	}
	for arg, want := range map[string]uint32{
		"0": 0, "ublkb0": 0, "/dev/ublkb0": 0, "ublkb12p3": 12, "/dev/ublkb7p128": 7, "ublkc7": 7, "/dev/ublkc12": 12,
		"my disk": 0, image: 0, link: 0, "b": 7, "/gone/b.qcow2": 7,
		"/dev/zqublkd/b": 7, `/dev/zqublkd/my\x20disk`: 0, "/dev/disk/by-id/zqublkd-c": 12, "/dev/disk/by-id/zqublkd-c-part2": 12,
		"99": 99, // there may be such a device that is not ours: that is another error
	} {
		if id, err := find(records, arg); err != nil || id != want {
			t.Errorf("%q: device %d, %v; want %d", arg, id, err, want)
		}
	}
	for arg, text := range map[string]string{
		"": "no device is named", "/dev/sda": "no device is named", "ublkb": "no device is named", "ublkb0p": "no device is named",
		"ublkc0p1": "no device is named", "99999999999": "no device is named", "-1": "no device is named", "/srv/both": "fits 2 devices",
	} {
		var usage usageError
		if id, err := find(records, arg); !errors.As(err, &usage) || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "zqublkd list") {
			t.Errorf("%q: device %d, %v; want %q", arg, id, err, text)
		}
	}
}

// Several devices are named by any of their names, each is stopped once, and all
// are named before any is stopped.
func TestDelSeveral(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	for id := range uint32(3) {
		writeRecord(t, run, server.Record{Options: server.Options{Name: "disk-" + strconv.FormatUint(uint64(id), 10), Image: "/gone", RunDir: run}, ID: id})
	}
	for _, c := range []struct {
		args []string
		want []uint32
	}{
		{[]string{"disk-2", "ublkb0", "0", "/dev/ublkb0p1"}, []uint32{2, 0}},
		{[]string{"all"}, []uint32{0, 1, 2}},
		{[]string{"1", "nobody"}, nil},
	} {
		got, err := chosen(run, c.args)
		if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%v: %v, %v; want %v", c.args, got, err, c.want)
		}
	}
	for _, args := range [][]string{{"del"}, {"del", "all", "0"}, {"del", "--all", "0"}, {"recover"}, {"upgrade", "0", "all"}, {"errors", "0", "1"}} {
		if _, err := runCommand(t, args...); exitCode(err) != exitUsage {
			t.Errorf("%v: %v, exit %d", args, err, exitCode(err))
		}
	}
}

// Devices are worked on at the same time, each is tried, and the errors come in
// their order.
func TestEachDevice(t *testing.T) {
	ids := make([]uint32, atOnce)
	for k := range ids {
		ids[k] = uint32(k)
	}
	met := make(chan bool)
	err := eachDevice(ids, func(id uint32) error {
		if id%2 == 0 { // needs another that runs meanwhile
			select {
			case met <- true:
			case <-time.After(10 * time.Second):
				t.Errorf("device %d: alone", id)
			}
			return nil
		}
		<-met
		return errors.New(strconv.FormatUint(uint64(id), 10))
	})
	if want := "1\n3\n5\n7\n9\n11\n13\n15"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	run, image := filepath.Join(dir, "run"), filepath.Join(dir, "a.qcow2")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for id := range uint32(3) {
		writeHung(t, run, server.Record{Options: server.Options{Name: "a", Image: image, RunDir: run}, ID: 900 + id, Node: "/dev/ublkb90" + strconv.FormatUint(uint64(id), 10), Zoned: id == 0})
	}
	writeRecord(t, run, server.Record{Options: server.Options{Name: "b c", Image: "/gone/b.qcow2", ReadOnly: true, Recovery: server.RecoveryReissue, RunDir: run}, ID: 910, Node: "/dev/ublkb910"})
	gone := filepath.Join(dir, "given-up")
	writeRecord(t, gone, server.Record{Options: server.Options{Name: "c", Image: image, Recovery: server.RecoveryReissue, RunDir: gone}, ID: 911, Node: "/dev/ublkb911", GivenUp: "it died 3 times"})
	began := time.Now()
	text, err := runCommand(t, "list", "--run-dir", run, "-n", "-o", "id,kind,state,ro,recovery,size,image")
	want := "900  zoned  hung  no   -        -  " + image + "\n" +
		"901  plain  hung  no   -        -  " + image + "\n" +
		"902  plain  hung  no   -        -  " + image + "\n" +
		"910  plain  dead  yes  reissue  -  /gone/b.qcow2 (deleted)\n"
	if err != nil || text != want {
		t.Errorf("%v\n%s want\n%s", err, text, want)
	}
	if took := time.Since(began); took > 2*devicelist.Patience {
		t.Errorf("three daemons that don't answer took %v: one after another", took)
	}
	text, err = runCommand(t, "list", "--run-dir", gone, "-n", "-o", "id,state")
	if want := "911  given-up (it died 3 times)\n"; err != nil || text != want {
		t.Errorf("%v\n%s want\n%s", err, text, want)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"910"}, "ID   NAME\n910  b c\n"},
		{[]string{"b c", "ublkb910"}, "ID   NAME\n910  b c\n"},
	} {
		text, err := runCommand(t, append([]string{"list", "--run-dir", run, "-o", "id,name"}, c.args...)...)
		if err != nil || text != c.want {
			t.Errorf("%v: %v\n%s", c.args, err, text)
		}
	}
	text, err = runCommand(t, "list", "--run-dir", run, "-J", "910")
	var list []map[string]any
	if err = errors.Join(err, json.Unmarshal([]byte(text), &list)); err != nil || len(list) != 1 ||
		list[0]["state"] != "dead" || list[0]["image_deleted"] != true || list[0]["kind"] != "plain" {
		t.Errorf("%v\n%s", err, text)
	}
	for _, args := range [][]string{{"-o", "nde"}, {"-o", "id,"}, {"nobody"}} {
		if text, err := runCommand(t, append([]string{"list", "--run-dir", run}, args...)...); exitCode(err) != exitUsage {
			t.Errorf("%v: %v %s", args, err, text)
		}
	}
	if text, err := runCommand(t, "list", "--run-dir", run, "5"); err == nil || !strings.Contains(err.Error(), "device 5: not a device of") {
		t.Errorf("%v %s", err, text)
	}
}
