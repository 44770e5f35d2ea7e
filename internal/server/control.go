// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/engine"
	"zqublkd/internal/fault"
	"zqublkd/internal/tally"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

// command is what a client asks of a running daemon, one line of JSON; reply
// is the answer.
type command struct {
	Version int `json:"version,omitempty"` // of the protocol; 0: the first

	Verb  string `json:"verb"`            // status, stop, errors, hand-over, powercut, and those of faults and zones
	State int    `json:"state,omitempty"` // hand-over, resize: the version of state files that the next daemon reads
	Force bool   `json:"force,omitempty"` // stop: even if the device is in use

	Discard bool `json:"discard,omitempty"` // stop: nobody reads the image again

	Rule   *fault.Rule           `json:"rule,omitempty"`     // fault-add
	Fault  int                   `json:"fault_id,omitempty"` // fault-clear; 0: all
	Cut    engine.Cut            `json:"cut"`                // powercut
	Zones  []format.ConditionRun `json:"zones,omitempty"`    // zones
	Meter  bool                  `json:"meter,omitempty"`    // stats: measure from now on
	Detail bool                  `json:"detail,omitempty"`   // stats: of each zone
	Full   bool                  `json:"full,omitempty"`     // zones: make them full, whatever else they say
	Ring   int                   `json:"ring,omitempty"`     // trace: events that there is room for
	Size   uint64                `json:"size,omitempty"`     // resize: bytes of the disk
}

type reply struct {
	Version int `json:"version,omitempty"`

	Error  string                `json:"error,omitempty"`
	Users  []string              `json:"users,omitempty"` // stop: who keeps the device from it
	Status *Status               `json:"status,omitempty"`
	Errors []engine.RequestError `json:"errors,omitempty"`
	Fault  int                   `json:"fault_id,omitempty"` // fault-add
	Faults []fault.Counted       `json:"faults,omitempty"`   // fault-list
	Stats  *tally.Stats          `json:"stats,omitempty"`
	Notes  []string              `json:"notes,omitempty"` // powercut: what it does not do

	stream   func(net.Conn) // trace: takes the connection over
	farewell farewell       // of a daemon that was told to stop

	then func() // done once the client has its answer
	end  bool   // the client is told a second time, how the end went
}

// Status is how a running device stands.
type Status struct {
	Record
	Open         int    `json:"open_zones"`
	Active       int    `json:"active_zones"`
	ImplicitOpen int    `json:"implicitly_open_zones"`
	Copied       uint64 `json:"copied_requests"`   // so far; the data of others went straight to and from their pages
	Frozen       bool   `json:"frozen"`            // no change any more
	Failure      string `json:"failure,omitempty"` // why, if it was an error
}

// listen opens the control socket and answers on it until it is closed.
func (d *Device) listen() error {
	folder, address, err := socketIn(d.dir.dir)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	d.later(folder.Close)
	l, err := privately.Listen(context.Background(), "unix", address)
	if err != nil {
		return fmt.Errorf("control socket: %w", inRunDir(err))
	}
	d.later(l.Close)
	d.later(func() error { d.traces.finish(); return nil })
	if d.cfg.WatchGroup != "" {
		if err := shareWith(d.cfg.WatchGroup, address); err != nil {
			return err
		}
	}
	go d.accept(l)
	return nil
}

// privately makes sockets that nobody else can connect to, whatever the umask:
// the file takes the mode that the socket has when it is bound.
var privately = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }); e != nil {
		return e
	}
	return err
}}

func (d *Device) obey(cmd command) reply {
	switch cmd.Verb {
	case "status":
		s := d.status()
		return reply{Status: &s}
	case "fault-add", "fault-list", "fault-clear", "powercut", "zones":
		return d.trouble(cmd)
	case "stats":
		s := d.measure(cmd.Meter, cmd.Detail)
		return reply{Stats: &s}
	case "trace":
		return d.trace(cmd.Ring)
	case "errors":
		return reply{Errors: d.disk.LastErrors()}
	case "hand-over":
		if err := d.mayHandOver(cmd.State); err != nil {
			return reply{Error: err.Error()}
		}
		return reply{then: func() { d.goOnce.Do(func() { close(d.leaving) }) }}
	case "resize":
		return d.resize(cmd)
	case "stop":
		var held *HeldError
		if err := d.mayStop(cmd.Force); errors.As(err, &held) {
			return reply{Users: held.Holders}
		} else if err != nil {
			return reply{Error: err.Error()}
		}
		if cmd.Discard {
			d.disk.Discard()
		}
		return reply{end: true, then: func() { d.stopOnce.Do(func() { close(d.stopping) }) }}
	}
	return reply{Error: fmt.Sprintf("unknown verb %q", cmd.Verb)}
}

func (d *Device) status() Status {
	s := Status{
		Record: d.record, Frozen: d.disk.Frozen(),
		Open: d.disk.Rules().Open(), Active: d.disk.Rules().Active(), ImplicitOpen: d.disk.Rules().ImplicitOpen(),
	}
	for _, q := range d.lanes {
		s.Copied += q.Copied()
	}
	if err := d.disk.Failure(); err != nil {
		s.Failure = err.Error()
	}
	return s
}

// answerTime is how long a daemon may take to answer; most answer in less than
// a millisecond.
const answerTime = 10 * time.Second

// ask sends a command to the daemon of device id, if that answers at all.
func ask(runDir string, id uint32, cmd command) (reply, error) {
	if r, err := askWithin(runDir, id, command{Verb: "status"}, hungAfter); err != nil {
		return r, err
	}
	return askWithin(runDir, id, cmd, answerTime)
}

// askWithin sends a command; past the time that the answer may take the error is
// ErrHung.
func askWithin(runDir string, id uint32, cmd command, patience time.Duration) (reply, error) {
	var r reply
	record, err := ReadRecord(runDir, id)
	if errors.Is(err, os.ErrNotExist) {
		return r, NotOurs(runDir, id)
	} else if errors.Is(err, ErrRunDir) {
		return r, err
	}
	folder, address, err := socketIn(devicePath(runDir, id))
	if err != nil {
		return r, fmt.Errorf("daemon of device %d: %w", id, err)
	}
	defer folder.Close()
	f, err := askPatiently(address, patience, record.PID, cmd, &r)
	if gaveNoAnswer(err) {
		return r, record.hung(patience)
	} else if err != nil {
		return r, noAnswer(id, err)
	}
	if cmd.Verb == "stop" || cmd.Verb == "resize" {
		r.farewell = f
	} else {
		f.conn.Close()
	}
	switch {
	case len(r.Users) > 0:
		return r, &HeldError{Node: ublk.BlockPath(id), Holders: r.Users}
	case r.Error != "":
		return r, errors.New(r.Error)
	}
	return r, nil
}

// askPatiently is converseOver; how a daemon stands is asked again of one that is only late.
func askPatiently(address string, patience time.Duration, pid int, cmd command, r *reply) (f farewell, err error) {
	for tries := 1; ; tries++ {
		before := turnsOf(pid)
		f, err = converseOver(address, time.Now().Add(patience), cmd, r)
		if !gaveNoAnswer(err) || cmd.Verb != "status" || tries == starvedTries || turnsOf(pid) == before {
			return f, err
		}
	}
}

// converseOver has one command answered at an address. The connection stays, for
// what comes after the answer.
func converseOver(address string, end time.Time, cmd command, r *reply) (f farewell, err error) {
	c, err := dialBy(address, end)
	if err != nil {
		return f, err
	}
	f = farewell{c, json.NewDecoder(io.LimitReader(c, maxReply))}
	c.SetDeadline(end)
	cmd.Version = protocolVersion
	if err = json.NewEncoder(c).Encode(cmd); err == nil {
		err = f.from.Decode(r)
	}
	if err != nil {
		c.Close()
	}
	return f, err
}

// dialBy connects to an address until a time. Where many wait to be let in, it is
// tried again.
func dialBy(address string, end time.Time) (net.Conn, error) {
	for {
		c, err := (&net.Dialer{Deadline: end}).Dial("unix", address)
		if !errors.Is(err, unix.EAGAIN) || time.Now().After(end) {
			return c, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// noAnswer says why the daemon of device id gave no answer, without the address
// and the names of system calls that net puts into its errors.
func noAnswer(id uint32, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	const rule = "the daemon of device %d gives no answer (%w): its log, beside its record, may say why"
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the daemon of device %d ended before it answered (%w): see `zqublkd list`", id, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the daemon of device %d: %w: run as root", id, err)
	}
	return fmt.Errorf(rule, id, err)
}

// AskStatus asks the daemon of device id how it stands; ErrHung: it says nothing.
func AskStatus(runDir string, id uint32) (Status, error) {
	return AskStatusWithin(runDir, id, hungAfter)
}

// AskStatusWithin is AskStatus of a daemon that may take as long as patience.
func AskStatusWithin(runDir string, id uint32, patience time.Duration) (Status, error) {
	r, err := askWithin(runDir, id, command{Verb: "status"}, patience)
	if err != nil {
		return Status{}, err
	}
	if r.Status == nil {
		return Status{}, errors.New("the daemon gave no status")
	}
	return *r.Status, nil
}

// AskErrors asks the daemon of device id for the requests it refused last.
func AskErrors(runDir string, id uint32) ([]engine.RequestError, error) {
	r, err := ask(runDir, id, command{Verb: "errors"})
	return r.Errors, err
}
