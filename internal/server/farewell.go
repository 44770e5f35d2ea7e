// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrUnclean is the end of a daemon that was told to end, and could not do so in
// order: the last flush failed, say. It is no death: nobody brings it back.
var ErrUnclean = errors.New("it has ended as it was told to, but its image was not closed in order: run `zqublkd check` on it")

// farewells are the clients who have asked a daemon to stop: they are told how the
// end went, because what the last flush could not write is lost, and `del` is the
// last who can say so.
type farewells struct {
	mu    sync.Mutex
	conns []net.Conn
	said  bool
}

// add keeps a client until the end; false if the end has been told already, or too
// many wait for it.
func (f *farewells) add(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said || len(f.conns) == maxClients {
		return false
	}
	f.conns = append(f.conns, c)
	return true
}

// say tells the clients how the end went. One that does not listen costs a second
// at most.
func (f *farewells) say(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = true
	var r reply
	if err != nil {
		r.Error = err.Error()
	}
	for _, c := range f.conns {
		c.SetDeadline(time.Now().Add(time.Second))
		json.NewEncoder(c).Encode(r)
		c.Close()
	}
	f.conns = nil
}

// farewell is where a client hears how the end of a daemon went.
type farewell struct {
	conn net.Conn
	from *json.Decoder
}

// hear returns what the daemon, which has ended, said last: nil if all went well, or
// if it said nothing, as an older program does, or one that was killed meanwhile.
func (f farewell) hear(r Record) error {
	err := f.last()
	if err != nil {
		err = fmt.Errorf("%s is gone: %w", r.Node, err)
	}
	return err
}

func (f farewell) last() error {
	if f.conn == nil {
		return nil
	}
	defer f.conn.Close()
	f.conn.SetDeadline(time.Now().Add(time.Second))
	var last reply
	if err := f.from.Decode(&last); err != nil || last.Error == "" {
		return nil
	}
	return errors.New(last.Error)
}

// stopping says how a device is stopped.
type stopping struct {
	force   bool // even if it is in use
	discard bool // nobody reads its image again: nothing is made durable
}

// askStop asks the daemon of device id to stop; it has not when this returns. How its end
// went can be heard once it has ended.
func askStop(runDir string, id uint32, s stopping) (farewell, error) {
	r, err := ask(runDir, id, command{Verb: "stop", Force: s.force, Discard: s.discard})
	return r.farewell, err
}
