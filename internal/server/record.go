// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Record is what is written down of one served device.
type Record struct {
	Options
	ID      uint32  `json:"id"`
	Node    string  `json:"node"`
	ImageID imageID `json:"image_id"`
	PID     int     `json:"pid"`
	// of process PID, clock ticks since boot; 0: recorded by a program that only used flock
	Start      uint64    `json:"pid_start,omitempty"`
	Supervisor int       `json:"supervisor,omitempty"` // process that brings the daemon back
	SuperStart uint64    `json:"supervisor_start,omitempty"`
	Unit       string    `json:"unit,omitempty"` // systemd's unit that does
	UsesPages  bool      `json:"zero_copy"`      // file I/O uses the requests' own pages
	Zoned      bool      `json:"zoned"`
	Started    time.Time `json:"started"`
	Cookie     uint64    `json:"cookie"`               // the driver keeps it with the device
	Recoveries uint64    `json:"recoveries,omitempty"` // daemons that came after one that died
	Starting   bool      `json:"starting,omitempty"`   // its node can't be used yet
	GivenUp    string    `json:"given_up,omitempty"`   // why nobody brings its daemon back any more
	Alive      bool      `json:"alive"`                // when read: its daemon lives
	Unknown    bool      `json:"unknown,omitempty"`    // when read: whoever looks may not know whether it lives
}

func (r Record) daemon() process     { return process{r.PID, r.Start} }
func (r Record) supervisor() process { return process{r.Supervisor, r.SuperStart} }

// Silent says why the daemon of r is not worth asking: "unknown", "given-up", "dead" or
// "starting"; empty: it is.
func (r Record) Silent() string {
	switch {
	case r.Unknown:
		return "unknown"
	case !r.Alive && r.GivenUp != "":
		return "given-up"
	case !r.Alive:
		return "dead"
	case r.Starting:
		return "starting"
	}
	return ""
}

// deviceDir is a device's folder in the run directory, held by the daemon that
// serves it: as long as the lock is held, the device is its alone.
type deviceDir struct {
	dir  string
	lock *os.File
}

func devicePath(runDir string, id uint32) string {
	return filepath.Join(runDir, strconv.FormatUint(uint64(id), 10))
}

// lockDevice takes the folder of device id with what is in it.
func lockDevice(runDir string, id uint32) (*deviceDir, error) {
	dir := devicePath(runDir, id)
	if err := judgeDevice(runDir, id); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, inRunDir(err)
	}
	if err := judgeDevice(runDir, id); err != nil { // it may have come meanwhile
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("device %d: %w", id, inRunDir(err))
	}
	c := &deviceDir{dir: dir, lock: lock}
	if !c.current() { // somebody gave it up between our two steps
		lock.Close()
		return lockDevice(runDir, id)
	}
	return c, nil
}

// current says that the lock is the one that others see.
func (c *deviceDir) current() bool {
	ours, err := c.lock.Stat()
	theirs, err2 := os.Stat(c.lock.Name())
	return err == nil && err2 == nil && os.SameFile(ours, theirs)
}

// forget removes what an earlier device of the number has left.
func (c *deviceDir) forget() {
	for _, name := range []string{recordName, stateName, socketName, faultsName} {
		os.Remove(c.path(name))
	}
}

const (
	lockName   = "lock"
	recordName = "record.json"
	stateName  = "state"
	socketName = "control.sock"
	faultsName = "faults.json"
)

// ErrServed is a device that another daemon serves.
var ErrServed = errors.New("another zqublkd serves this device")

// lockFile takes a lock that can be looked at without taking it, and the one
// that older programs know.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET}
	if err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &whole); err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		err = ErrServed
	}
	return nil, err
}

// locked reports whether somebody holds the lock at path; looking disturbs
// nobody who takes it. old asks for the lock of a program that knew flock only,
// which can't be looked at.
func locked(path string, old bool) (bool, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: unix.SEEK_SET}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &whole); err != nil || whole.Type != unix.F_UNLCK || !old {
		return err == nil && whole.Type != unix.F_UNLCK, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

func (c *deviceDir) path(name string) string { return filepath.Join(c.dir, name) }

// write records the device, in one step. Where there is no room for a new record
// it overwrites the old one: a takeover must not depend on room in the run
// directory.
func (c *deviceDir) write(r Record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	tmp := c.path(recordName + ".new")
	if err = os.WriteFile(tmp, b, 0o644); err == nil {
		return os.Rename(tmp, c.path(recordName))
	}
	os.Remove(tmp)
	if c.overwrite(b) == nil {
		return nil
	}
	return inRunDir(err)
}

// overwrite replaces the record in place, by one write that takes no space: it
// is as long as the old record, filled up with blanks.
func (c *deviceDir) overwrite(b []byte) error {
	f, err := os.OpenFile(c.path(recordName), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	b = append(b, bytes.Repeat([]byte{' '}, max(0, int(st.Size())-len(b)))...)
	_, err = f.WriteAt(b, 0)
	return err
}

// inRunDir is an error of the run directory: with the way out if it is full.
func inRunDir(err error) error {
	if errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("the run directory is full, make room or name another with --run-dir: %w", err)
	}
	return err
}

// remove forgets the device: its record first, which must not be seen without
// a lock that is held, then the folder as one, so that nothing of the number's
// next device is caught by it.
func (c *deviceDir) remove() {
	os.Remove(c.path(recordName))
	gone := c.dir + ".gone"
	os.RemoveAll(gone)
	if os.Rename(c.dir, gone) != nil {
		gone = c.dir
	}
	os.RemoveAll(gone)
	c.lock.Close()
}

// Records lists the devices of a run directory by number. A folder without a
// readable record, of a device that is coming or going, is left out.
func Records(runDir string) ([]Record, error) {
	if err := judgeDir(runDir); err != nil {
		return nil, err
	}
	dirs, err := os.ReadDir(runDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Record
	for _, d := range dirs {
		id, err := strconv.ParseUint(d.Name(), 10, 32)
		if err != nil {
			continue
		}
		r, err := ReadRecord(runDir, uint32(id))
		switch {
		case err == nil:
			list = append(list, r)
		case errors.Is(err, ErrRunDir):
			return nil, err
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list, nil
}

// ReadRecord reads the record of device id, and looks whether its daemon lives:
// by its lock or, for those who may not look at that, by its process.
func ReadRecord(runDir string, id uint32) (Record, error) {
	r := Record{Options: unrecorded}
	dir := devicePath(runDir, id)
	if err := judgeDevice(runDir, id); err != nil {
		return r, err
	}
	b, err := readRunFile(filepath.Join(dir, recordName))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, err
	}
	r.Alive, err = locked(filepath.Join(dir, lockName), r.Start == 0)
	if err != nil {
		is, sure := r.daemon().alive()
		r.Alive, r.Unknown = is && sure, !sure
	}
	return r, nil
}

// LogPath is where the daemon of device id logs when nobody takes its log.
func LogPath(runDir string, id uint32) string { return filepath.Join(devicePath(runDir, id), "log") }
