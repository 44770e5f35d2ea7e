// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"math/rand/v2"

	"zqublkd/internal/storage/storagetest"
)

// crashState is one content of the disk that a power cut may leave.
type crashState struct {
	n        int // operations of the file before it
	name     string
	survives storagetest.Survives
}

func (c crashState) String() string {
	return fmt.Sprintf("power cut after %d operations, %s", c.n, c.name)
}

// subsetsOf bounds how many operations are kept and lost in every combination;
// with more of them waiting, combinations are drawn.
const subsetsOf = 8

// everyState is all states of a short workload: power cuts after every
// operation, with every choice of those that wait for a sync kept and lost, and
// each of them torn between any two sectors while the others are kept or lost.
func everyState(rec *storagetest.Recorder, rng *rand.Rand) []crashState {
	return statesFrom(rec, 0, rng)
}

// statesFrom is those of power cuts after an operation and later.
func statesFrom(rec *storagetest.Recorder, from int, rng *rand.Rand) []crashState {
	var list []crashState
	for n := from; n <= rec.Len(); n++ {
		waiting := rec.Pending(n)
		for k := range uint64(1) << min(len(waiting), subsetsOf) {
			mask := k
			if len(waiting) > subsetsOf {
				mask = rng.Uint64()
			}
			list = append(list, crashState{n, fmt.Sprintf("of %v kept %b", waiting, mask), storagetest.Only(waiting, mask)})
		}
		for _, op := range waiting {
			list = append(list, tears(rec, n, op)...)
		}
	}
	return list
}

// tears are the states with one write torn.
func tears(rec *storagetest.Recorder, n, op int) []crashState {
	var list []crashState
	for cut := 1; cut < rec.Sectors(op); cut++ {
		list = append(list,
			crashState{n, fmt.Sprintf("operation %d torn after %d sectors", op, cut), storagetest.TornAt(op, cut)},
			crashState{n, fmt.Sprintf("only %d sectors of operation %d kept", cut, op), storagetest.TornOff(op, cut)})
	}
	return list
}

// anyState draws a state.
func anyState(rec *storagetest.Recorder, rng *rand.Rand) crashState {
	n, seed := rng.IntN(rec.Len()+1), rng.Uint64()
	if rng.IntN(4) == 0 {
		return crashState{n, fmt.Sprintf("pages written back as drawn with %d", seed), rec.Paged(n, seed)}
	}
	return crashState{n, fmt.Sprintf("survivors drawn with %d", seed), storagetest.Shuffled(seed)}
}

// someStates are at most n states of a workload: all of a short one in a
// shuffled order, or drawn.
func (r *crashRun) someStates(n int, short bool, rng *rand.Rand) []crashState {
	if short {
		list := everyState(r.rec, rng)
		rng.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
		return list[:min(n, len(list))]
	}
	list := make([]crashState, n)
	for k := range list {
		list[k] = anyState(r.rec, rng)
	}
	return list
}
