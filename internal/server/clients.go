// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// protocolVersion is that of the control socket; docs/socket.md describes it. A
// command without a version is of the first.
const protocolVersion = 1

// What one client may cost.
const (
	maxCommand  = 1 << 20          // bytes of a command: the conditions of all zones have room
	maxReply    = 32 << 20         // bytes of a reply
	maxClients  = 32               // at once
	commandTime = 5 * time.Second  // for a command to come
	replyTime   = 10 * time.Second // for a reply to be taken
)

// graceTime is how long a client may say nothing while others wait to be let in.
const graceTime = 100 * time.Millisecond

// clients are the connections of a control socket. When there are too many, the
// one goes that has been silent for longest, so that nobody can keep others out by
// saying nothing.
type clients struct {
	mu      sync.Mutex
	silent  []waiting // no command has come yet, the oldest first
	serving int       // commands that are being obeyed
}

type waiting struct {
	net.Conn
	since time.Time
}

// enter takes a connection in, unless it has to wait for room.
func (s *clients) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving+len(s.silent) >= maxClients {
		if len(s.silent) == 0 || time.Since(s.silent[0].since) < graceTime {
			return false
		}
		s.silent[0].Close()
		s.silent = slices.Delete(s.silent, 0, 1)
	}
	s.silent = append(s.silent, waiting{c, time.Now()})
	return true
}

// at is where c is among the silent, -1: it is not.
func (s *clients) at(c net.Conn) int {
	return slices.IndexFunc(s.silent, func(w waiting) bool { return w.Conn == c })
}

// heard is told that the command of c has come; false: c had to go meanwhile.
func (s *clients) heard(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.at(c)
	if at < 0 {
		return false
	}
	s.silent = slices.Delete(s.silent, at, at+1)
	s.serving++
	return true
}

// leave is told that c goes, whose command has come or not.
func (s *clients) leave(c net.Conn, heard bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if heard {
		s.serving--
	} else if at := s.at(c); at >= 0 {
		s.silent = slices.Delete(s.silent, at, at+1)
	}
}

// accept takes clients until the socket is closed.
func (d *Device) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // of this connection, or no descriptor is left: it may pass
			time.Sleep(10 * time.Millisecond)
			continue
		}
		for !d.clients.enter(c) {
			time.Sleep(graceTime / 20)
		}
		go d.converse(c)
	}
}

// converse answers one command. Whatever the client does costs it its connection
// and nothing else.
func (d *Device) converse(c net.Conn) {
	heard, stays := false, false
	defer func() {
		d.clients.leave(c, heard)
		if !stays {
			c.Close()
		}
	}()
	c.SetReadDeadline(time.Now().Add(commandTime))
	cmd, err := decodeCommand(c)
	if heard = d.clients.heard(c); !heard {
		return
	}
	if err == nil {
		err = mayAsk(c, cmd)
	}
	r := reply{}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded):
		return
	case err != nil:
		r.Error = err.Error()
	default:
		r = d.obeySafely(cmd)
	}
	answer(c, r)
	if r.stream != nil {
		r.stream(c)
	}
	stays = r.end && d.farewells.add(c)
	if r.then != nil {
		r.then()
	}
}

func answer(c net.Conn, r reply) {
	r.Version = protocolVersion
	c.SetWriteDeadline(time.Now().Add(replyTime))
	json.NewEncoder(c).Encode(r)
}

// obeySafely makes a panic of ours an error of the one command.
func (d *Device) obeySafely(cmd command) (r reply) {
	defer func() {
		if v := recover(); v != nil {
			d.log.WithField("stack", string(debug.Stack())).Errorf("a command of the control socket: internal error: %v", v)
			r = reply{Error: fmt.Sprintf("internal error: %v", v)}
		}
	}()
	return d.obey(cmd)
}

// decodeCommand reads one command, which another has written.
func decodeCommand(r io.Reader) (command, error) {
	var cmd command
	limited := &io.LimitedReader{R: r, N: maxCommand}
	err := json.NewDecoder(limited).Decode(&cmd)
	switch {
	case err != nil && limited.N <= 0:
		return cmd, fmt.Errorf("the command is longer than %d bytes", maxCommand)
	case err != nil && (errors.Is(err, os.ErrDeadlineExceeded) || err == io.EOF):
		return cmd, err
	case err != nil:
		return cmd, fmt.Errorf("not a command in JSON: %w", err)
	case cmd.Version < 0 || cmd.Version > protocolVersion:
		return cmd, fmt.Errorf("version %d of the control socket's protocol is not known: this daemon speaks version %d",
			cmd.Version, protocolVersion)
	}
	return cmd, nil
}

// watching are the verbs that change nothing: those of the watch group, too.
var watching = []string{"status", "errors", "fault-list", "stats"}

// mayAsk says why the process at the other end may not ask for cmd: only root, and
// the user that the daemon runs as, may change anything.
func mayAsk(c net.Conn, cmd command) error {
	if slices.Contains(watching, cmd.Verb) {
		return nil
	}
	uid, err := peer(c)
	if err == nil && uid != 0 && int(uid) != os.Geteuid() {
		err = fmt.Errorf("%s: the watch group may look and not change anything: %w", cmd.Verb, unix.EPERM)
	}
	return err
}

// peer is the user at the other end.
func peer(c net.Conn) (uid uint32, err error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0, errors.New("not a socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	e := raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = cred.Uid
		}
	})
	return uid, errors.Join(e, err)
}

// shareWith lets the members of a group connect to the socket at path.
func shareWith(group, path string) error {
	g, err := user.LookupGroup(group)
	if err != nil {
		return fmt.Errorf("watch group: %w", err)
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return err
	}
	if err := os.Chown(path, -1, gid); err != nil {
		return fmt.Errorf("watch group %s: %w (a unit needs SupplementaryGroups=%s)", group, err, group)
	}
	return os.Chmod(path, 0o660)
}
