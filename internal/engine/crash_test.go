// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"flag"
	"math/rand/v2"
	"testing"

	"zqublkd/internal/storage/storagetest"
)

var (
	crashStates = flag.Int("crash.states", 600, "crash states to look at, of all workloads together")
	crashSeed   = flag.Uint64("crash.seed", 1, "seed of workloads and crash states")
	crashOnly   = flag.String("crash.only", "", "only the workload of this name")
)

// recorded is a workload that has been done.
type recorded struct {
	workload
	run    *crashRun
	states []crashState
}

// TestCrash looks at what power cuts leave behind of workloads: any prefix of
// what was done to the file, with the writes since the last sync kept, lost, or
// torn in any combination. Of short workloads every state is looked at, if
// there may be so many; of others as many as there may be, drawn at random.
func TestCrash(t *testing.T) {
	works := recordAll(t)
	states := *crashStates
	if raceEnabled { // little in a look at a state runs side by side
		states = min(states, 150)
	}
	share(works, states)
	looked := 0
	for _, w := range works {
		looked += len(w.states)
	}
	t.Logf("%d states of %d workloads, seed %d", looked, len(works), *crashSeed)
	for _, w := range works {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			w.run.t = t
			for _, c := range w.states {
				if err := w.run.judge(c); err != nil {
					t.Fatalf("seed %d, %v: %v", *crashSeed, c, err)
				}
			}
		})
	}
}

func recordAll(t *testing.T) []*recorded {
	var works []*recorded
	for _, w := range workloads {
		if *crashOnly != "" && *crashOnly != w.name {
			continue
		}
		works = append(works, &recorded{workload: w, run: recordWork(t, w)})
	}
	if len(works) == 0 {
		t.Fatalf("no workload is called %q", *crashOnly)
	}
	return works
}

// recordWork does a workload and stops the disk.
func recordWork(t *testing.T, w workload) *crashRun {
	rec := storagetest.NewRecorder(w.image(t))
	if silent, ok := pastCache[w.name]; ok {
		rec.PassCache(512, silent)
	}
	r := newCrashRunIn(t, rec, *crashSeed)
	w.do(r)
	d := r.begin(0, 0, 0, false) // the stop flushes, and then gives back the end of the file
	r.s.close()
	r.end(d)
	r.flushed(d)
	r.settle()
	return r
}

// share divides n states among the workloads. What short ones don't have is
// for the others.
func share(works []*recorded, n int) {
	rng := rand.New(rand.NewPCG(*crashSeed, 2))
	left := len(works)
	for _, short := range []bool{true, false} {
		for _, w := range works {
			if w.short == short {
				w.states = w.run.someStates(n/left, short, rng)
				n, left = n-len(w.states), left-1
			}
		}
	}
}
