// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// A daemon that comes to its turns and is late is asked again; one that sleeps is not.
func TestStarved(t *testing.T) {
	sleeper := napper(t)
	for _, c := range []struct {
		name string
		pid  int
		ok   bool
	}{{"late", os.Getpid(), true}, {"asleep", sleeper.pid, false}} {
		t.Run(c.name, func(t *testing.T) {
			address := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for n := 0; ; n++ { // the first is not answered
					c, err := l.Accept()
					if err != nil {
						return
					}
					if n > 0 {
						json.NewEncoder(c).Encode(reply{Status: &Status{}})
					}
				}
			}()
			var over atomic.Bool
			defer over.Store(true)
			go func() {
				for !over.Load() {
				}
			}()
			var r reply
			f, err := askPatiently(address, 300*time.Millisecond, c.pid, command{Verb: "status"}, &r)
			if (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
			if err == nil {
				f.conn.Close()
			}
		})
	}
}
