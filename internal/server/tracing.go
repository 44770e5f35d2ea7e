// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"zqublkd/internal/trace"
)

// traces are the traces of a device that are being written.
type traces struct {
	mu      sync.Mutex
	ended   bool
	end     chan struct{} // closed when the device ends
	writing sync.WaitGroup
}

// begin notes that one is written; false: the device ends.
func (t *traces) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.end == nil {
		t.end = make(chan struct{})
	}
	if !t.ended {
		t.writing.Add(1)
	}
	return !t.ended
}

// finish ends all traces and waits until they are written, or their reader is slow.
func (t *traces) finish() {
	t.mu.Lock()
	if t.end != nil && !t.ended {
		close(t.end)
	}
	t.ended = true
	t.mu.Unlock()
	done := make(chan struct{})
	go func() { t.writing.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
}

// trace obeys the command to trace the device. After the reply its connection
// carries the bytes of the trace, until the client closes his side of it.
func (d *Device) trace(records int) reply {
	if records == 0 {
		records = trace.DefaultRing
	}
	if records < trace.MinRing || records > trace.MaxRing {
		return reply{Error: fmt.Sprintf("a ring of %d events: give %d to %d", records, trace.MinRing, trace.MaxRing)}
	}
	if !d.traces.begin() {
		return reply{Error: "the device is being stopped"}
	}
	stream, err := d.disk.Trace(d.record.Node, records)
	if err != nil {
		d.traces.writing.Done()
		return reply{Error: fmt.Sprintf("%s %v", d.record.Node, err)}
	}
	return reply{stream: func(c net.Conn) {
		defer d.traces.writing.Done()
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			d.waitForEnd(c)
		}()
		if err := stream(patient{c}, stop); err != nil {
			d.log.WithError(err).Debug("a trace has ended before its time")
		}
		c.Close()
		<-stop
	}}
}

// waitForEnd returns when the client has nothing more to say, or the device ends.
func (d *Device) waitForEnd(c net.Conn) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		c.SetReadDeadline(time.Time{})
		_, _ = c.Read(make([]byte, 1))
	}()
	select {
	case <-gone:
	case <-d.traces.end:
	}
}

// patient gives a client who is slow to read some time, and then up.
type patient struct{ net.Conn }

// traceReader is how long one who gets a trace may read nothing of it.
const traceReader = 10 * time.Second

func (p patient) Write(b []byte) (int, error) {
	p.SetWriteDeadline(time.Now().Add(traceReader))
	return p.Conn.Write(b)
}

// TraceStream is a trace that comes from a daemon.
type TraceStream struct {
	io.Reader
	conn *net.UnixConn
}

// End asks the daemon to end the trace; what is left of it can be read then.
func (s *TraceStream) End() error { return s.conn.CloseWrite() }

// Close ends it at once.
func (s *TraceStream) Close() error { return s.conn.Close() }

// Trace begins a trace of device id, in a ring with room for so many events; 0: the
// usual number.
func Trace(runDir string, id uint32, records int) (*TraceStream, error) {
	if _, err := askWithin(runDir, id, command{Verb: "status"}, hungAfter); err != nil {
		return nil, err
	}
	folder, address, err := socketIn(devicePath(runDir, id))
	if err != nil {
		return nil, fmt.Errorf("daemon of device %d: %w", id, err)
	}
	defer folder.Close()
	conn, err := (&net.Dialer{Timeout: hungAfter}).Dial("unix", address)
	if err != nil {
		return nil, noAnswer(id, err)
	}
	c := conn.(*net.UnixConn)
	c.SetDeadline(time.Now().Add(answerTime))
	in := bufio.NewReader(c)
	var r reply
	err = json.NewEncoder(c).Encode(command{Verb: "trace", Ring: records})
	if err == nil {
		r, err = readReply(in)
	}
	if err == nil && r.Error == "" {
		c.SetDeadline(time.Time{})
		return &TraceStream{Reader: in, conn: c}, nil
	}
	c.Close()
	if err != nil {
		return nil, noAnswer(id, err)
	}
	return nil, errors.New(r.Error)
}

// readReply reads the line that a reply is.
func readReply(in *bufio.Reader) (r reply, err error) {
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	return r, err
}
