// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"
	"time"

	"zqublkd/internal/statefile"
	"zqublkd/ublk"
)

// ErrRecover is a device that no other daemon can take over.
var ErrRecover = errors.New("it can't be taken over")

// handOverTimeout bounds the wait for the next daemon.
const handOverTimeout = 60 * time.Second

func noRecovery(r Record) error {
	return fmt.Errorf("%s is served with --recovery=%s: %w; delete it and add %s with --recovery=reissue", r.Node, r.Recovery, ErrRecover, r.Image)
}

// Orphan is the record of device id if its daemon is dead and another can take
// it over.
func Orphan(runDir string, id uint32) (Record, error) {
	r, err := ReadRecord(runDir, id)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return r, NotOurs(runDir, id)
	case err != nil:
		return r, err
	case r.Alive:
		if err := r.notHung(runDir); err != nil {
			return r, err
		}
		return r, fmt.Errorf("%s: process %d: %w; nothing to recover", r.Node, r.PID, ErrServed)
	case r.Recovery != RecoveryReissue:
		return r, noRecovery(r)
	case r.supervisor().lives():
		return r, fmt.Errorf("%s: its supervisor, process %d, brings the daemon back: %w", r.Node, r.Supervisor, ErrServed)
	}
	drv, err := openKernel()
	if err != nil {
		return r, err
	}
	defer drv.Close()
	if _, err := drv.DeviceInfo(id); ublk.IsNoDevice(err) {
		return r, fmt.Errorf("%s: %w: add %s again", r.Node, ErrGone, r.Image)
	}
	return r, nil
}

// HandOver asks the daemon of device id to leave it to the next one. It
// returns the record of the daemon when that has ended.
func HandOver(runDir string, id uint32) (Record, error) {
	r, err := ReadRecord(runDir, id)
	if errors.Is(err, os.ErrNotExist) {
		return r, NotOurs(runDir, id)
	}
	if err != nil {
		return r, err
	}
	if _, err := ask(runDir, id, command{Verb: "hand-over", State: statefile.Version}); err != nil {
		return r, err
	}
	return r, until(func() bool { return !r.daemon().lives() }, fmt.Sprintf("%s: its daemon, process %d, has not ended", r.Node, r.PID))
}

// WaitForNext waits until another daemon than that of r serves its device.
func WaitForNext(r Record) (now Record, err error) {
	err = until(func() bool {
		now, _ = ReadRecord(r.RunDir, r.ID)
		return now.Alive && now.PID != r.PID
	}, fmt.Sprintf("%s: no other daemon has taken it over; see its log, and `zqublkd recover %d`", r.Node, r.ID))
	return now, err
}

func until(so func() bool, complaint string) error {
	for end := time.Now().Add(handOverTimeout); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New(complaint)
		}
	}
	return nil
}

// BroughtBack says that somebody starts the next daemon of r's device.
func (r Record) BroughtBack() bool { return r.Unit != "" || r.supervisor().lives() }
