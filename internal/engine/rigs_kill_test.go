// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// rigChild is what a process that is going to be killed is told.
type rigChild struct {
	Path   string
	Direct bool
	Work   rigWork
	Last   uint64 // stamp given out before
}

const rigChildVar = "ZQUBLKD_RIG_CHILD"

// TestRigChild is the process that TestRigsKilled kills: it sends requests for
// ever and tells its standard output of each.
func TestRigChild(t *testing.T) {
	text := os.Getenv(rigChildVar)
	if text == "" {
		return // in a run of all tests there is nothing to do
	}
	var c rigChild
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	r := openRig(t, c.Path, c.Direct, c.Work)
	m := newSectorModel(rigDisk/sectorBytes, 0)
	clear(m.may) // the parent knows
	m.last = c.Last
	var mu sync.Mutex
	c.Work.Count = 1 << 30
	err := c.Work.play(r, m, func(e rigEvent) {
		mu.Lock()
		defer mu.Unlock()
		line, _ := json.Marshal(e)
		fmt.Printf("%s\n", line)
	})
	t.Fatal(err)
}

// TestRigsKilled: what a process killed with SIGKILL had acknowledged is there when
// the image is opened again, death after death.
func TestRigsKilled(t *testing.T) {
	stores := rigStores(t)
	deaths, requests := 0, 0
	for k := 0; deaths < *rigKills; k++ {
		rng := rand.New(rand.NewPCG(*rigSeed^0xdead, uint64(k)))
		s, i, w := stores[(k+2)%len(stores)], drawRigImage(rng), drawRigWork(rng)
		direct := rng.IntN(3) > 0
		t.Run(fmt.Sprintf("%04d,%s,%v,direct=%v,%v", k, s.name, i, direct, w), func(t *testing.T) {
			path, raw := i.make(t, s)
			i.killed = true
			m := newSectorModel(rigDisk/sectorBytes, i.stamp())
			for range min(3, *rigKills-deaths) {
				requests += killRig(t, rigChild{path, direct, w, m.last}, m, time.Duration(20+rng.IntN(300))*time.Millisecond)
				deaths++
				r := openRig(t, path, direct, w)
				if err := w.verify(r, m); err != nil {
					t.Errorf("after death %d: %v", deaths, err)
				}
				r.close()
				if t.Failed() {
					t.FailNow()
				}
				w.Seed++
			}
			i.judge(t, s, path, raw, m)
		})
		if t.Failed() {
			break
		}
	}
	t.Logf("%d deaths, %d requests acknowledged, seed %d", deaths, requests, *rigSeed)
}

// killRig lets a process work for a time and kills it. The model knows then what
// each sector may hold. It returns how many requests were acknowledged.
func killRig(t *testing.T, c rigChild, m *sectorModel, after time.Duration) (answered int) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestRigChild$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), rigChildVar+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	var words []byte // that are no event
	for events := 0; ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // what is left has no end: it was not told
		}
		if err != nil {
			t.Fatal(err)
		}
		var e rigEvent
		if json.Unmarshal(line, &e) != nil {
			words = append(words, line...)
			continue
		}
		if events++; events == 1 {
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
		m.last = max(m.last, e.Stamp)
		m.maybe(e.At, e.N, e.Stamp)
		if e.Answered {
			answered++
			m.did(e.Op, e.At, e.N, e.Stamp)
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.Success() || cmd.ProcessState.Exited() {
		t.Fatalf("the process ended by itself: %v\n%s", err, words)
	}
	return answered
}
