// SPDX-License-Identifier: Apache-2.0

package server

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"zqublkd/internal/engine"
)

// oldRecord is what a daemon wrote down before the options were one thing.
const oldRecord = `{"id": 7, "node": "/dev/ublkb7", "name": "disk", "image": "/srv/disk.qcow2", "pid": 11, "pid_start": 5,
	"allow": {"backing": true}, "read_only": true, "recovery": "reissue", "cache": "writeback", "zero_copy": true,
	"l2_cache": 1048576, "queues": 2, "depth": 64, "zoned": true, "run_dir": "/run/zqublkd"}`

// The record of a daemon that still runs is read after an upgrade of the program,
// with the defaults for what it does not say.
func TestOldRecordIsRead(t *testing.T) {
	run := runWith(t, Record{ID: 7})
	if err := os.WriteFile(filepath.Join(devicePath(run, 7), recordName), []byte(oldRecord), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := ReadRecord(run, 7)
	if err != nil {
		t.Fatal(err)
	}
	want := Options{
		Image: "/srv/disk.qcow2", Name: "disk", Allow: engine.Allow{Backing: true}, ReadOnly: true, Recovery: RecoveryReissue,
		Cache: engine.CacheWriteback, ZeroCopy: ZeroCopyAuto, Queues: 2, Depth: 64, L2Cache: 1 << 20, RunDir: "/run/zqublkd",
		StopWait: DefaultStopWait,
	}
	if r.Options != want || r.ID != 7 || !r.UsesPages || !r.Zoned {
		t.Errorf("read %+v", r)
	}
}

// Each option comes back from the record, a zero of it too.
func TestOptionsAreRecorded(t *testing.T) {
	want := Options{
		Image: "/a", SnapshotOf: "/s", Name: "b", Allow: engine.Allow{Data: true}, ReadOnly: true, Volatile: true, Recovery: RecoveryReissue, Cache: engine.CacheNone,
		ZeroCopy: ZeroCopyOff, Queues: 3, Depth: 5, L2Cache: 7, RunDir: "/r", StopWait: 9 * time.Second,
		WatchGroup: "g", Metrics: true, SnapshotID: "4",
	}
	for i, v := 0, reflect.ValueOf(want); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("%s: give it a value here", v.Type().Field(i).Name)
		}
	}
	for _, o := range []Options{want, {}} {
		run := runWith(t, Record{ID: 7, Options: o})
		if r, err := ReadRecord(run, 7); err != nil || r.Options != o {
			t.Errorf("written %+v, read %+v, %v", o, r.Options, err)
		}
	}
}

// A daemon that takes over goes on with what was chosen for the device, save for
// what it was told anew.
func TestOptionsAreInherited(t *testing.T) {
	recorded := Options{Image: "/old", Name: "b", ReadOnly: true, Recovery: RecoveryReissue, Cache: engine.CacheWriteback, L2Cache: 7, RunDir: "/old"}
	o := Options{Image: "/new", Name: "c", Recovery: RecoveryOff, RunDir: "/new", Depth: 9}
	o.inherit(recorded)
	want := recorded
	want.Image, want.RunDir, want.Depth = "/new", "/new", 9
	if o != want {
		t.Errorf("got %+v, want %+v", o, want)
	}
}
