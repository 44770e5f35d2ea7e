// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"zqublkd/zoned"
)

// call is one call of the device in a concurrent history, for porcupine: each
// Begin, End and State must take effect at one moment between its start and
// its return. A reset of all zones is left out, it takes them one by one.
type call struct {
	id     int // of the request; of the zone for "state"
	kind   string
	off, n int
	again  bool
	end    bool
	fails  bool
}

func (c call) String() string {
	switch {
	case c.end:
		return fmt.Sprintf("%d: end of %s, fails: %t", c.id, c.kind, c.fails)
	case c.kind == "state":
		return fmt.Sprintf("zone %d", c.id)
	}
	return fmt.Sprintf("%d: %s %d %d", c.id, c.kind, c.off, c.n)
}

// apply makes the call on the model.
func (c call) apply(m *model) string {
	switch {
	case c.end:
		return m.end(c.id, c.fails)
	case c.kind == "state":
		return fmt.Sprintf("%s %d", m.zones[c.id].cond, c.id*m.zone+m.zones[c.id].count(there))
	}
	return m.begin(c.id, c.kind, c.off, c.n, c.again)
}

// linear is a history in the making.
type linear struct {
	setup
	dev     *zoned.Device
	clients []*linearClient
	began   time.Time
}

type linearClient struct {
	*linear
	id   int
	reqs []*request // that this client may begin or end; others come and go
	rand *rand.Rand
	ops  []porcupine.Operation

	requests int // begun for the first time
}

// yielder makes goroutines meet inside the device: it gives way while a zone's
// lock is held.
type yielder struct{}

// ZoneChanged implements zoned.Observer.
func (yielder) ZoneChanged(uint32, zoned.State) { runtime.Gosched() }

const (
	linearClients = 3
	linearCalls   = 16 // of each client
)

func newLinear(t *testing.T, seed uint64) *linear {
	t.Helper()
	pcg := rand.New(rand.NewPCG(seed, 1))
	s := pickSetup(func(_ string, n int) int { return pcg.IntN(n) })
	s.start, s.conventional = s.start[:2], 0
	s.size = min(s.size, 2*s.zone)
	if pcg.IntN(2) == 0 { // three zones for few slots
		s.start = append(s.start, modelStart{cond: "implicit-open"})
		s.size = 3 * s.zone
	}
	l := &linear{setup: s, began: time.Now()}
	var err error
	if l.dev, err = newDevice(s, yielder{}); err != nil {
		t.Fatal(err)
	}
	for k := range linearClients {
		c := &linearClient{linear: l, id: k, rand: rand.New(rand.NewPCG(seed, uint64(k)+2))}
		for n := range requestsInWorld / linearClients {
			r := &request{id: k*(requestsInWorld/linearClients) + n}
			r.op.Owner = r
			c.reqs = append(c.reqs, r)
		}
		l.clients = append(l.clients, c)
	}
	return l
}

// run makes some calls.
func (c *linearClient) run() {
	for range linearCalls {
		if len(c.reqs) == 0 || c.rand.IntN(10) == 0 {
			zone := c.rand.IntN(len(c.start))
			c.record(call{kind: "state", id: zone}, func() string {
				s := c.dev.State(uint32(zone))
				return fmt.Sprintf("%s %d", s.Condition, s.WP)
			})
			continue
		}
		k := c.rand.IntN(len(c.reqs))
		r := c.reqs[k]
		c.reqs = slices.Delete(c.reqs, k, k+1)
		if r.state == begun {
			c.end(r)
		} else {
			c.begin(r)
		}
	}
}

func (c *linearClient) record(in call, f func() string) {
	op := porcupine.Operation{ClientId: c.id, Input: in, Call: int64(time.Since(c.began))}
	op.Output = f()
	op.Return = int64(time.Since(c.began))
	c.ops = append(c.ops, op)
}

func (c *linearClient) begin(r *request) {
	again := r.state == comes
	if !again {
		i := c.rand.IntN(len(c.start))
		for r.kind = "reset-all"; r.kind == "reset-all"; {
			r.kind = kinds[c.rand.IntN(len(kinds))]
		}
		c.requests++
		r.off, r.n = i*c.zone, 1+c.rand.IntN(4)
		if r.kind == "write" {
			r.off = int(c.dev.State(uint32(i)).WP)
		}
	}
	var v zoned.Verdict
	c.record(call{id: r.id, kind: r.kind, off: r.off, n: r.n, again: again}, func() string {
		var more string
		var err error
		v, more, err = begin(c.dev, &r.op, r.kind, []uint64{uint64(r.off), uint64(r.n)})
		return verdict(v, more, err)
	})
	switch v {
	case zoned.Granted:
		r.state = begun
		c.reqs = append(c.reqs, r)
	case zoned.Done, zoned.Refused:
		r.state = idle
		c.reqs = append(c.reqs, r)
	}
}

func (c *linearClient) end(r *request) {
	fails := c.rand.IntN(4) == 0
	var io error
	if fails {
		io = errIO
	}
	kind := r.kind
	c.record(call{id: r.id, kind: kind, end: true, fails: fails}, func() string {
		var out said
		for o := end(c.dev, &r.op, kind, io); o != nil; o = o.Next() {
			back := o.Owner.(*request)
			back.state = idle
			if o.Outcome == zoned.Retry {
				back.state = comes
			}
			out.say(back.id, outcome(o))
			c.reqs = append(c.reqs, back)
		}
		return out.String()
	})
	if kind == "read" {
		r.state = idle
		c.reqs = append(c.reqs, r)
	}
}

// modelState is a model that nobody changes any more.
type modelState struct {
	*model
	key string
}

func freeze(m *model) modelState { return modelState{m, fmt.Sprint(m.zones, m.reqs)} }

// spec is the model as porcupine wants it.
func (l *linear) spec() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return freeze(newModel(l.setup, requestsInWorld)) },
		Step: func(state, in, out any) (bool, any) {
			m := state.(modelState).clone()
			if in.(call).apply(m) != out.(string) {
				return false, nil
			}
			return true, freeze(m)
		},
		Equal: func(a, b any) bool { return a.(modelState).key == b.(modelState).key },
	}
}

func TestLinearizable(t *testing.T) {
	seed := seed(t)
	requests, calls := 0, 0
	for requests < budget()/10 {
		seed++
		l := newLinear(t, seed)
		var all sync.WaitGroup
		for _, c := range l.clients {
			all.Go(c.run)
		}
		all.Wait()
		var history []porcupine.Operation
		for _, c := range l.clients {
			history = append(history, c.ops...)
			requests += c.requests
		}
		calls += len(history)
		if got := porcupine.CheckOperationsTimeout(l.spec(), history, 2*time.Minute); got != porcupine.Ok {
			t.Fatalf("seed %d: %s\n%+v\n%s", seed, got, l.setup, describe(history))
		}
		if err := l.dev.Check(); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, describe(history))
		}
	}
	t.Logf("%d concurrent operations in %d calls, linearizable by the model", requests, calls)
}

func describe(history []porcupine.Operation) string {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, o := range history {
		fmt.Fprintf(&b, "%d..%d client %d: %v -> %v\n", o.Call, o.Return, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}
