// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/needs"
)

// dial connects to the control socket of a daemon.
func (d *Device) dial(t testing.TB) net.Conn {
	t.Helper()
	folder, address, err := socketIn(d.dir.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	c, err := dialBy(address, time.Now().Add(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says sends text and returns what comes back.
func (d *Device) says(t testing.TB, text string) (r reply, err error) {
	t.Helper()
	c := d.dial(t)
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(c, text)
	err = json.NewDecoder(c).Decode(&r)
	return r, err
}

func TestSocketProtocol(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryOff)
	defer w.down(d)
	for name, c := range map[string]struct{ text, want string }{
		"version 1":       {`{"version": 1, "verb": "status"}`, ""},
		"no version":      {`{"verb": "status"}` + "\n", ""},
		"more fields":     {`{"version": 1, "verb": "status", "colour": "red"}`, ""},
		"unknown version": {`{"version": 2, "verb": "status"}`, "version 2 of the control socket's protocol is not known: this daemon speaks version 1"},
		"negative":        {`{"version": -1, "verb": "status"}`, "version -1 of"},
		"unknown verb":    {`{"version": 1, "verb": "explode"}`, `unknown verb "explode"`},
		"no verb":         {`{}`, `unknown verb ""`},
		"no JSON":         {"GET / HTTP/1.1\r\n\r\n", "not a command in JSON"},
		"wrong type":      {`{"verb": 7}`, "not a command in JSON"},
		"a list":          {`[1]`, "not a command in JSON"},
		"deep":            {strings.Repeat("[", 20000), "not a command in JSON"},
		"long":            {`{"verb": "` + strings.Repeat("a", maxCommand+1), "the command is longer than 1048576 bytes"},
		"no rule":         {`{"verb": "fault-add"}`, "no fault is given"},
		"bad zones":       {`{"verb": "zones", "zones": [{"First": 4000000000, "Count": 18446744073709551615}]}`, "zone"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := d.says(t, c.text)
			switch {
			case err != nil:
				t.Error(err)
			case r.Version != 1:
				t.Errorf("version %d", r.Version)
			case c.want == "" && (r.Error != "" || r.Status == nil), !strings.Contains(r.Error, c.want):
				t.Errorf("error %q, status %v, want %q", r.Error, r.Status, c.want)
			}
		})
	}
}

// TestSocketFlood: clients that say nothing, or too much, or never listen keep
// nobody else from an answer, and nothing is left of them.
func TestSocketFlood(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryOff)
	defer w.down(d)
	before := runtime.NumGoroutine()
	var flood sync.WaitGroup
	stop := make(chan struct{})
	huge := bytes.Repeat([]byte(`{"verb":"`), 1<<17)
	for k := range maxClients + 8 {
		flood.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
				c := d.dial(t)
				c.SetDeadline(time.Now().Add(300 * time.Millisecond))
				switch k % 4 {
				case 0: // says nothing
					c.Read(make([]byte, 1))
				case 1:
					c.Write(huge)
				case 2: // asks, and takes no answer
					io.WriteString(c, `{"verb":"errors"}`)
				case 3:
					c.Write([]byte{0, '{', 0xff})
				}
				c.Close()
			}
		})
	}
	for range 20 {
		if _, err := AskStatusWithin(w.run, d.info.ID, 20*time.Second); err != nil {
			t.Error(err)
		}
	}
	must(t, "write", w.write(d, testZone, make([]byte, 4096)))
	close(stop)
	flood.Wait()
	left := func() int {
		d.clients.mu.Lock()
		defer d.clients.mu.Unlock()
		return d.clients.serving + len(d.clients.silent)
	}
	for end := time.Now().Add(commandTime); left() > 0 || runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d clients and %d goroutines are left, %d before", left(), runtime.NumGoroutine(), before)
		}
	}
}

// TestSilentClientsGiveWay: who has said nothing for longest goes first.
func TestSilentClientsGiveWay(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryOff)
	defer w.down(d)
	var silent []net.Conn
	for range maxClients {
		silent = append(silent, d.dial(t))
	}
	if r, err := d.says(t, `{"verb":"status"}`); err != nil || r.Error != "" {
		t.Fatal(err, r.Error)
	}
	for k, c := range silent {
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		if gone := err == io.EOF; gone != (k == 0) {
			t.Errorf("client %d: %v", k, err)
		}
		c.Close()
	}
}

// asMember runs f on a thread of another user, who is in the group gid.
func asMember(t *testing.T, gid uintptr, f func()) {
	t.Helper()
	const same = ^uintptr(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		_, _, g := unix.RawSyscall(unix.SYS_SETRESGID, same, gid, same)
		_, _, u := unix.RawSyscall(unix.SYS_SETRESUID, same, 65534, same)
		if g != 0 || u != 0 {
			t.Error(g, u)
			return
		}
		f()
	}()
	<-done
}

// TestWatchGroup: its members may look, and change nothing.
func TestWatchGroup(t *testing.T) {
	needs.Root(t, "is another user")
	const gid = 1 // none of root's own, whatever the machine has put root into
	g, err := user.LookupGroupId(strconv.Itoa(gid))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.run = filepath.Join(runWith(t, Record{}), "run") // where others are let in
	d := w.daemon(RecoveryOff)
	d.cfg.WatchGroup = g.Name
	if err := d.bringUp(); err != nil {
		t.Fatal(err)
	}
	defer w.down(d)
	st, err := os.Stat(d.dir.path(socketName))
	if err != nil || st.Mode().Perm() != 0o660 {
		t.Fatal(st.Mode(), err)
	}
	asMember(t, gid, func() {
		for verb, may := range map[string]bool{"status": true, "errors": true, "fault-list": true, "stats": true,
			"fault-add": false, "fault-clear": false, "powercut": false, "zones": false, "trace": false,
			"hand-over": false, "resize": false, "stop": false, "explode": false} {
			_, err := askWithin(w.run, d.info.ID, command{Verb: verb}, 20*time.Second)
			if refused := err != nil && strings.Contains(err.Error(), "the watch group may look"); refused == may || may && err != nil {
				t.Errorf("a member asks for %s: %v", verb, err)
			}
		}
	})
	select {
	case <-d.stopping:
		t.Error("a member has stopped the device")
	case <-d.leaving:
		t.Error("a member has had it handed over")
	default:
	}
	d = w.daemon(RecoveryOff)
	d.cfg.WatchGroup, d.cfg.Image = "no-such-group", newImage(t, small())
	if err := d.bringUp(); err == nil || !strings.Contains(err.Error(), "no-such-group") {
		t.Error(err)
	}
	w.down(d)
}

// FuzzCommand: whatever comes in by the socket is a command or an error, and takes
// no more than it may.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{`{"version":1,"verb":"status"}`, `{"verb":"zones","zones":[{"first":1}],"full":true}`,
		`{"verb":"fault-add","rule":{"op":"write"}}`, `{"verb":"powercut","cut":{}}`, "[[[[", "\x00", `{"version":99}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cmd, err := decodeCommand(bytes.NewReader(b))
		if err != nil {
			return
		}
		if cmd.Version < 0 || cmd.Version > protocolVersion {
			t.Fatalf("version %d is taken", cmd.Version)
		}
		again, err := json.Marshal(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeCommand(bytes.NewReader(again)); err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
