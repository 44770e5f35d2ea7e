// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/needs"
	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
)

// world is a run directory, an image and a driver, and the daemons a test has
// of it.
type world struct {
	t      *testing.T
	driver *ublktest.Control
	run    string
	image  string
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, run: t.TempDir(), image: newImage(t, small()),
		driver: ublktest.NewControl(ublk.FeatureZoned | ublk.FeatureUserCopy | ublk.FeatureRecovery | ublk.FeatureRecoveryReissue),
	}
	t.Cleanup(func() {
		if err := w.driver.End(); err != nil {
			t.Errorf("driver: %v", err)
		}
	})
	return w
}

// daemon is one that has not begun yet.
func (w *world) daemon(r Recovery) *Device {
	w.t.Helper()
	cfg := Config{Options: Options{Image: w.image, Queues: 1, Depth: 4, Recovery: r, RunDir: w.run}, ID: -1, Log: silent()}
	if err := cfg.complete(); err != nil {
		w.t.Fatal(err)
	}
	return newDevice(cfg, func() (driver, error) { return w.driver, nil })
}

// up is a daemon that serves.
func (w *world) up(r Recovery) *Device {
	w.t.Helper()
	d := w.daemon(r)
	if err := d.bringUp(); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// down ends a daemon in order.
func (w *world) down(d *Device) {
	w.t.Helper()
	if err := d.takeDown(); err != nil {
		w.t.Error(err)
	}
}

// kill ends a daemon as SIGKILL does: nothing is flushed or cleared up.
func (w *world) kill(d *Device) {
	w.driver.Kill(d.info.ID)
	d.queues.Wait()
	takeAway(w.t, d.disk.File())
	d.char.Close()
	d.state.Close()
	d.dir.lock.Close()
}

func (w *world) write(d *Device, off uint64, data []byte) unix.Errno {
	r := ublk.NewIODesc(ublk.OpWrite, 0, off/512, uint32(len(data)/512))
	return w.driver.Requests(d.info.ID).Do(0, r, data).Errno()
}

func (w *world) flush(d *Device) unix.Errno {
	return w.driver.Requests(d.info.ID).Do(0, ublk.NewIODesc(ublk.OpFlush, 0, 0, 0), nil).Errno()
}

func (w *world) read(d *Device, off uint64, n int) []byte {
	w.t.Helper()
	data := make([]byte, n)
	must(w.t, "read", w.driver.Requests(d.info.ID).Do(0, ublk.NewIODesc(ublk.OpRead, 0, off/512, uint32(n/512)), data).Errno())
	return data
}

// fail makes each call of a name fail.
func (w *world) fail(name string, err error) {
	w.driver.Before(func(call string, _ uint32) error {
		if call == name {
			return err
		}
		return nil
	})
}

// folders are the devices that the run directory knows.
func (w *world) folders() []string {
	w.t.Helper()
	entries, err := os.ReadDir(w.run)
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestStartUndone: whatever call of the driver fails, a daemon that does not
// come up leaves no device, no folder and no lock.
func TestStartUndone(t *testing.T) {
	w := newWorld(t)
	for _, call := range []string{"ADD_DEV", "SET_PARAMS", "open", "START_DEV", "wait for the disk"} {
		w.fail(call, unix.EIO)
		d := w.daemon(RecoveryReissue)
		if err := d.bringUp(); !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v", call, err)
		}
		if err := d.takeDown(); err != nil {
			t.Errorf("%s: undone: %v", call, err)
		}
		if w.driver.Knows(0) || len(w.folders()) > 0 {
			t.Errorf("%s: left the device (%v) or folders %v", call, w.driver.Knows(0), w.folders())
		}
	}
	w.driver.Before(nil)
	d := w.up(RecoveryReissue)
	must(t, "write", w.write(d, testZone, pattern(1, 8192)))
	w.down(d)
	if got := slices.DeleteFunc(w.driver.Calls(), func(c string) bool { return !strings.HasPrefix(c, "D") && !strings.HasPrefix(c, "STOP") }); !slices.Equal(got[len(got)-2:], []string{"STOP_DEV 0", "DEL_DEV_ASYNC 0"}) {
		t.Errorf("an orderly end is %v", got)
	}
}

// TestNumbers: a daemon takes no number that the driver or another daemon has,
// and nothing of theirs.
func TestNumbers(t *testing.T) {
	w := newWorld(t)
	if _, err := w.driver.AddDevice(ublk.AddOptions{ID: 0, Queues: 1, Depth: 1}); err != nil { // another server's
		t.Fatal(err)
	}
	other, err := lockDevice(w.run, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer other.lock.Close()
	w.driver.Before(func(call string, id uint32) error {
		if call == "ADD_DEV" && id == 2 { // taken since it was looked for
			return unix.EEXIST
		}
		return nil
	})
	d := w.up(RecoveryOff)
	if d.info.ID != 3 {
		t.Errorf("number %d", d.info.ID)
	}
	w.down(d)
	if !w.driver.Knows(0) || !slices.Equal(w.folders(), []string{"1"}) {
		t.Errorf("what is others': device 0 %v, folders %v", w.driver.Knows(0), w.folders())
	}
	d = w.daemon(RecoveryOff)
	d.cfg.ID = 0
	if err := d.bringUp(); !errors.Is(err, unix.EEXIST) {
		t.Errorf("the number of another: %v", err)
	}
	w.down(d)
}

// TestBury: what a daemon without recovery has left is deleted by the next one of
// the image, unless the number is another server's by now.
func TestBury(t *testing.T) {
	for name, stolen := range map[string]bool{"its device": false, "another's device": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.kill(w.up(RecoveryOff))
			if stolen {
				w.driver.DeleteDeviceAsync(0)
				w.driver.AddDevice(ublk.AddOptions{ID: 0, Queues: 1, Depth: 1, UserFlags: 7})
			}
			d := w.up(RecoveryOff)
			info, err := w.driver.DeviceInfo(0)
			if stolen && (err != nil || info.UserFlags != 7) {
				t.Errorf("another's device: %+v, %v", info, err)
			}
			if !stolen && d.info.ID != 0 {
				t.Errorf("number %d: the old one was not deleted", d.info.ID)
			}
			if stolen && !slices.Equal(w.folders(), []string{"1"}) {
				t.Errorf("folders %v", w.folders())
			}
			w.down(d)
		})
	}
}

// TestC11_RecordBeforeRecoveryEnds: when the driver lets requests flow again, the
// new daemon's record and control socket are there already.
func TestC11_RecordBeforeRecoveryEnds(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryReissue)
	data := pattern(1, 8192)
	must(t, "write", w.write(d, testZone, data))
	w.kill(d)
	asked := false
	w.driver.Before(func(call string, id uint32) error {
		if call != "END_USER_RECOVERY" {
			return nil
		}
		asked = true
		r, err := ReadRecord(w.run, id)
		if err != nil || r.PID != os.Getpid() || r.Starting || !r.Alive {
			t.Errorf("record before END_USER_RECOVERY: %+v, %v", r, err)
		}
		if s, err := AskStatus(w.run, id); err != nil || s.ID != id {
			t.Errorf("status before END_USER_RECOVERY: %+v, %v", s, err)
		}
		return nil
	})
	d = w.up(RecoveryReissue)
	if !asked {
		t.Error("the recovery was not ended")
	}
	if got := w.read(d, testZone, 8192); !slices.Equal(got, data) {
		t.Error("what was acknowledged is gone")
	}
	must(t, "next write", w.write(d, testZone+8192, data))
	w.down(d)
}

// TestC11_NothingFailsAfterRecovery: once the driver has ended the recovery the
// device is served, whatever else goes wrong.
func TestC11_NothingFailsAfterRecovery(t *testing.T) {
	for _, call := range []string{"wait for the disk", "set the scheduler"} {
		t.Run(call, func(t *testing.T) {
			w := newWorld(t)
			w.kill(w.up(RecoveryReissue))
			w.fail(call, unix.EIO)
			d := w.up(RecoveryReissue)
			must(t, "write", w.write(d, testZone, pattern(1, 8192)))
			w.down(d)
		})
	}
}

// TestC11_FullRunDirectory: a takeover needs no room in the run directory.
func TestC11_FullRunDirectory(t *testing.T) {
	for name, fill := range map[string]func(t *testing.T, w *world){
		"full tmpfs": func(t *testing.T, w *world) {
			if err := unix.Mount("tmpfs", w.run, "tmpfs", 0, "size=256k"); err != nil {
				needs.Missing(t, "mounting needs root: %v", err) // the other case needs none
			}
			t.Cleanup(func() { unix.Unmount(w.run, unix.MNT_DETACH) })
		},
		"no new record": func(t *testing.T, w *world) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			fill(t, w)
			d := w.up(RecoveryReissue)
			w.kill(d)
			if name == "full tmpfs" {
				f, err := os.Create(filepath.Join(w.run, "filler"))
				for err == nil {
					_, err = f.Write(make([]byte, 4096))
				}
				f.Close()
			} else if err := os.MkdirAll(filepath.Join(devicePath(w.run, 0), recordName+".new", "in the way"), 0o755); err != nil {
				t.Fatal(err)
			}
			before, _ := ReadRecord(w.run, 0)
			d = w.up(RecoveryReissue)
			r, err := ReadRecord(w.run, 0)
			if err != nil || !r.Started.After(before.Started) || r.Cookie != before.Cookie {
				t.Errorf("record %+v, %v", r, err)
			}
			must(t, "write", w.write(d, testZone, pattern(1, 8192)))
			w.down(d)
		})
	}
}

// TestC11_FailedTakeOver: a takeover that fails before the driver has ended the
// recovery leaves the device to the next one.
func TestC11_FailedTakeOver(t *testing.T) {
	for _, call := range []string{"START_USER_RECOVERY", "open", "END_USER_RECOVERY"} {
		t.Run(call, func(t *testing.T) {
			w := newWorld(t)
			d := w.up(RecoveryReissue)
			data := pattern(1, 8192)
			must(t, "write", w.write(d, testZone, data))
			w.kill(d)
			before := len(w.driver.Calls())
			w.fail(call, unix.EIO)
			d = w.daemon(RecoveryReissue)
			if err := d.bringUp(); !errors.Is(err, unix.EIO) {
				t.Fatalf("got %v", err)
			}
			d.disk.Abandon()
			if err := d.takeDown(); err != nil {
				t.Error(err)
			}
			w.driver.Kill(0) // the end of the process
			d.queues.Wait()
			for _, c := range w.driver.Calls()[before:] {
				if strings.HasPrefix(c, "STOP") || strings.HasPrefix(c, "DEL") {
					t.Errorf("%s of a device that waits for its next daemon", c)
				}
			}
			w.driver.Before(nil)
			d = w.up(RecoveryReissue)
			if got := w.read(d, testZone, 8192); !slices.Equal(got, data) {
				t.Error("what was acknowledged is gone")
			}
			w.down(d)
		})
	}
}

// TestAdopt: a device that is not the one of the record, or has been stopped, is
// not taken over; the image gets a new one.
func TestAdopt(t *testing.T) {
	w := newWorld(t)
	w.kill(w.up(RecoveryReissue))
	w.driver.DeleteDeviceAsync(0)
	w.driver.AddDevice(ublk.AddOptions{ID: 0, Queues: 1, Depth: 1, UserFlags: 7})
	d := w.up(RecoveryReissue)
	if info, err := w.driver.DeviceInfo(0); err != nil || info.UserFlags != 7 || d.info.ID != 1 {
		t.Errorf("another's device: %+v, %v; ours is %d", info, err, d.info.ID)
	}
	w.kill(d)
	w.driver.StopDevice(1)
	d = w.up(RecoveryReissue)
	if d.info.ID != 1 || !slices.Equal(w.folders(), []string{"1"}) {
		t.Errorf("after a stopped one: number %d, folders %v", d.info.ID, w.folders())
	}
	w.down(d)
}
