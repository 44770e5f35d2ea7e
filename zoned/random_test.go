// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestRandomOperations runs long random conversations, many of them.
func TestRandomOperations(t *testing.T) {
	const each = 500 // steps: a request is begun, perhaps begun again, and ended
	seed := seed(t)
	steps, requests := 0, 0
	for n := 0; requests < budget(); n += each {
		pcg := rand.New(rand.NewPCG(seed, uint64(n)))
		pick := picker(func(_ string, n int) int { return pcg.IntN(n) })
		w := newWorld(t, pickSetup(pick))
		for range each {
			if err := w.step(pick); err != nil {
				t.Fatalf("seed %d, %d: %v", seed, n, err)
			}
		}
		if err := w.settle(pick); err != nil {
			t.Fatalf("seed %d, %d: %v", seed, n, err)
		}
		steps, requests = steps+each, requests+w.requests
	}
	t.Logf("%d operations in %d steps, no difference from the model", requests, steps)
}

// TestStateMachine is the same for short conversations, which rapid makes
// shorter still when they go wrong.
func TestStateMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := picker(func(what string, n int) int { return rapid.IntRange(0, n-1).Draw(t, what) })
		w := newWorld(t, pickSetup(pick))
		some := func(s requestState, act func(*request) error) func(*rapid.T) {
			return func(t *rapid.T) {
				all := w.with(s)
				if len(all) == 0 {
					t.Skip("none to take")
				}
				if err := act(all[pick("request", len(all))]); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": some(idle, func(r *request) error { w.pickRequest(pick, r); return w.begin(r, false) }),
			"again": some(comes, func(r *request) error { return w.begin(r, true) }),
			"end":   some(begun, func(r *request) error { return w.end(r, false) }),
			"fail":  some(begun, func(r *request) error { return w.end(r, true) }),
		})
		if err := w.settle(pick); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzOperations makes the choices from bytes.
func FuzzOperations(f *testing.F) {
	for seed := range uint64(8) {
		pcg := rand.New(rand.NewPCG(seed, 0))
		data := make([]byte, 100*(seed+1))
		for i := range data {
			data[i] = byte(pcg.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pick := picker(func(_ string, n int) int {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return int(b) % n
		})
		w := newWorld(t, pickSetup(pick))
		for len(data) > 0 {
			if err := w.step(pick); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.settle(pick); err != nil {
			t.Fatal(err)
		}
	})
}
