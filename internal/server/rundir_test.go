// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/needs"
)

// runWith is a run directory with one record, of a device nobody serves.
func runWith(t *testing.T, r Record) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zqublkd") // t.TempDir lets other users in nowhere
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	own := devicePath(dir, r.ID)
	for _, err := range []error{os.Chmod(dir, 0o755), os.MkdirAll(own, 0o755), os.Chmod(own, 0o755),
		os.WriteFile(filepath.Join(own, recordName), b, 0o644), os.Chmod(filepath.Join(own, recordName), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestC20_LookingDisturbsNobody: a device that nobody serves can be claimed at
// any time, however many look at it meanwhile.
func TestC20_LookingDisturbsNobody(t *testing.T) {
	dir := runWith(t, Record{Options: Options{Image: "/x", Recovery: RecoveryReissue}, ID: 7, Start: 1})
	var stop atomic.Bool
	looked := make(chan int)
	go func() {
		n := 0
		for ; !stop.Load(); n++ {
			Records(dir)
		}
		looked <- n
	}()
	tries, refused := 0, 0
	for end := time.Now().Add(time.Second); tries < 300 || time.Now().Before(end); tries++ {
		c, err := lockDevice(dir, 7)
		if err == nil {
			c.lock.Close()
		} else if errors.Is(err, ErrServed) {
			refused++
		} else {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Microsecond)
	}
	stop.Store(true)
	if n := <-looked; refused > 0 || n == 0 {
		t.Errorf("%d of %d claims refused, beside %d looks", refused, tries, n)
	}
}

// asOther runs f on a thread that has no right to other users' files.
func asOther(t *testing.T, f func()) {
	t.Helper()
	needs.Root(t, "to be another user for a while")
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		unix.SetfsuidRetUid(65534)
		f()
	}()
	<-done
}

// TestC20_OthersSeeWhatLives: whoever may not look at the lock goes by the
// process, and says when he can't tell.
func TestC20_OthersSeeWhatLives(t *testing.T) {
	us := processOf(os.Getpid())
	for _, c := range []struct {
		name           string
		p              process
		alive, unknown bool
	}{
		{"alive", us, true, false},
		{"number of another", process{us.pid, us.start + 1}, false, false},
		{"dead", process{1 << 30, 5}, false, false},
		{"start not recorded", process{us.pid, 0}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := runWith(t, Record{ID: 7, PID: c.p.pid, Start: c.p.start})
			claim, err := lockDevice(dir, 7)
			if err != nil {
				t.Fatal(err)
			}
			defer claim.lock.Close()
			asOther(t, func() {
				if _, err := os.Open(claim.path(lockName)); !errors.Is(err, os.ErrPermission) {
					t.Errorf("others may open the lock: %v", err)
				}
				r, err := ReadRecord(dir, 7)
				if err != nil || r.Alive != c.alive || r.Unknown != c.unknown {
					t.Errorf("alive %v, unknown %v, %v; want %v, %v", r.Alive, r.Unknown, err, c.alive, c.unknown)
				}
			})
			if r, err := ReadRecord(dir, 7); err != nil || !r.Alive || r.Unknown {
				t.Errorf("for us: %+v, %v", r, err)
			}
		})
	}
}

// TestC22_RunFilesArePrivate: whatever the umask, nobody else can stop a device or
// change what is recorded of it; and the path may be longer than a socket's
// address.
func TestC22_RunFilesArePrivate(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	w := newWorld(t)
	w.run = filepath.Join(runWith(t, Record{}), strings.Repeat("long", 40))
	d := w.up(RecoveryOff)
	run, c := w.run, d.dir
	for name, want := range map[string]os.FileMode{socketName: 0o600, stateName: 0o600, lockName: 0o600, recordName: 0o644, "": 0o755} {
		if st, err := os.Stat(c.path(name)); err != nil || st.Mode().Perm() != want {
			t.Errorf("%q: mode %v, %v, want %v", name, st.Mode().Perm(), err, want)
		}
	}
	t.Run("others", func(t *testing.T) {
		asOther(t, func() {
			if _, err := askStop(run, 0, stopping{}); !errors.Is(err, os.ErrPermission) {
				t.Errorf("another user asked for the end: %v", err)
			}
		})
	})
	select {
	case <-d.stopping:
		t.Error("the device stops")
	default:
	}
	if _, err := askStop(run, 0, stopping{}); err != nil {
		t.Error(err)
	}
	<-d.stopping
	if err := d.takeDown(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("something is left: %v", err)
	}
}

// TestC22_RunDirsAreJudged: nothing is believed that somebody else could have put
// there, and no link of his is followed.
func TestC22_RunDirsAreJudged(t *testing.T) {
	needs.Root(t, "to make folders of other users")
	const other = 65534
	for _, c := range []struct {
		name string
		make func(base string) (run string, err error)
		bad  bool
	}{
		{"ours", func(b string) (string, error) { return b + "/run", os.Mkdir(b+"/run", 0o755) }, false},
		{"not there", func(b string) (string, error) { return b + "/no/run", nil }, false},
		{"another's", func(b string) (string, error) {
			return b + "/run", errors.Join(os.Mkdir(b+"/run", 0o755), os.Chown(b+"/run", other, other))
		}, true},
		{"for all to write", func(b string) (string, error) {
			return b + "/run", errors.Join(os.Mkdir(b+"/run", 0o755), os.Chmod(b+"/run", 0o777))
		}, true},
		{"sticky, for all to write", func(b string) (string, error) {
			return b + "/run", errors.Join(os.Mkdir(b+"/run", 0o755), os.Chmod(b+"/run", 0o777|os.ModeSticky))
		}, true},
		{"in one for all to write", func(b string) (string, error) {
			return b + "/tmp/run", errors.Join(os.MkdirAll(b+"/tmp/run", 0o755), os.Chmod(b+"/tmp", 0o777))
		}, true},
		{"in a sticky one", func(b string) (string, error) {
			return b + "/tmp/run", errors.Join(os.MkdirAll(b+"/tmp/run", 0o755), os.Chmod(b+"/tmp", 0o777|os.ModeSticky))
		}, false},
		{"for its group to write", func(b string) (string, error) {
			return b + "/run", errors.Join(os.Mkdir(b+"/run", 0o755), os.Chmod(b+"/run", 0o775))
		}, true},
		{"behind our link", func(b string) (string, error) {
			return b + "/link/run", errors.Join(os.MkdirAll(b+"/real/run", 0o755), os.Symlink("real", b+"/link"))
		}, false},
		{"behind another's link", func(b string) (string, error) {
			return b + "/link", errors.Join(os.Mkdir(b+"/real", 0o755), os.Symlink(b+"/real", b+"/link"), os.Lchown(b+"/link", other, other))
		}, true},
		{"device's folder another's", func(b string) (string, error) {
			return b + "/run", errors.Join(os.MkdirAll(b+"/run/7", 0o755), os.Chown(b+"/run/7", other, other))
		}, true},
		{"device's folder a link", func(b string) (string, error) {
			return b + "/run", errors.Join(os.MkdirAll(b+"/run", 0o755), os.Mkdir(b+"/their", 0o755), os.Chown(b+"/their", other, other), os.Symlink(b+"/their", b+"/run/7"))
		}, true},
		{"a circle of links", func(b string) (string, error) { return b + "/run", os.Symlink("run", b+"/run") }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			run, err := c.make(runWith(t, Record{ID: 99}))
			if err != nil {
				t.Fatal(err)
			}
			_, read := ReadRecord(run, 7)
			_, asked := AskStatus(run, 7)
			claim, claimed := lockDevice(run, 7)
			if claim != nil {
				claim.lock.Close()
			}
			if bad := claimed != nil; bad != c.bad {
				t.Errorf("claim: %v", claimed)
			}
			if c.bad && (errors.Is(read, os.ErrNotExist) || errors.Is(asked, ErrNotOurs)) {
				t.Errorf("read: %v, asked: %v", read, asked)
			}
			if c.bad && c.name != "a circle of links" && !(errors.Is(claimed, ErrRunDir) && errors.Is(read, ErrRunDir) && errors.Is(asked, ErrRunDir)) {
				t.Errorf("no word of why: %v, %v, %v", claimed, read, asked)
			}
		})
	}
}

// TestC20_GivingUpIsPatient: the supervisor waits for whoever has the device's
// folder for a moment.
func TestC20_GivingUpIsPatient(t *testing.T) {
	dir := runWith(t, Record{ID: 7, Start: 1})
	c, err := lockDevice(dir, 7)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { c.lock.Close() })
	if _, err := GiveUp(dir, 7, "why"); errors.Is(err, ErrServed) { // another error: there is no driver here
		t.Error(err)
	}
	if _, err := GiveUp(dir, 8, "why"); err != nil {
		t.Errorf("of a device that is gone already: %v", err)
	}
}
