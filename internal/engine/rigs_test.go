// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"zqublkd/internal/storage"
)

var (
	rigRuns  = flag.Int("rigs.runs", 12, "runs of TestRigs")
	rigKills = flag.Int("rigs.kills", 3, "deaths in TestRigsKilled")
	rigSeed  = flag.Uint64("rigs.seed", 1, "which images and requests")
)

// TestRigs: whatever the image, the store, the size and the number of requests,
// each sector reads as what was acknowledged last, to us and, from the disk, to
// stock qemu-img, and healthy storage freezes no disk.
func TestRigs(t *testing.T) {
	stores := rigStores(t)
	var requests atomic.Uint64
	for k := range *rigRuns {
		rng := rand.New(rand.NewPCG(*rigSeed, uint64(k)))
		s, i, w := stores[k%len(stores)], drawRigImage(rng), drawRigWork(rng)
		direct := rng.IntN(3) > 0
		t.Run(fmt.Sprintf("%04d,%s,%v,direct=%v,%v", k, s.name, i, direct, w), func(t *testing.T) {
			runRig(t, s, i, w, direct)
			requests.Add(uint64(w.Depth * w.Count))
		})
	}
	t.Logf("%d runs, %d requests, seed %d", *rigRuns, requests.Load(), *rigSeed)
}

func runRig(t *testing.T, s rigStore, i rigImage, w rigWork, direct bool) {
	path, raw := i.make(t, s)
	m := newSectorModel(rigDisk/sectorBytes, i.stamp())
	for range 2 { // the second time it finds the outcome of the first
		r := openRig(t, path, direct, w)
		if err := w.play(r, m, nil); err != nil {
			t.Error(err)
		}
		if err := w.verify(r, m); err != nil {
			t.Errorf("at the end: %v", err)
		}
		r.close()
		if t.Failed() {
			return
		}
		w.Seed++
	}
	i.judge(t, s, path, raw, m)
}

func openRig(t testing.TB, path string, direct bool, w rigWork) *rig {
	t.Helper()
	var d *Disk
	err := patiently(func() (err error) {
		d, err = OpenDisk(path, DiskOptions{Direct: direct, Allow: Allow{Backing: true, Data: true}, Log: silent()})
		return err
	}, func(err error) bool { return errors.Is(err, storage.ErrInUse) }) // by the rings of one that was killed
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, d, w.Queues, max(w.Depth/w.Queues, 1))
}

// drawRigWork: small requests in numbers, or a few large ones, or both.
func drawRigWork(rng *rand.Rand) rigWork {
	w := rigWork{Depth: 1 << rng.IntN(7), Queues: 1 + rng.IntN(2), Seed: rng.Uint64()}
	switch rng.IntN(4) {
	case 0:
		w.Least, w.Most = 1, 1
	case 1:
		w.Least, w.Most = 1, 16
	case 2:
		w.Least, w.Most = 1, 2048
	default:
		w.Least, w.Most = 8, 256
	}
	// As many bytes as the disk has, within bounds: the model holds few requests
	// of a MiB at once.
	total := min(max(2*rigDisk/(w.Most*sectorBytes/2+w.Least*sectorBytes), 64), 300)
	if w.Most == 2048 {
		w.Depth = min(w.Depth, 16)
	}
	w.Count = max(int(total)/w.Depth, 2)
	return w
}

func (w rigWork) String() string {
	return fmt.Sprintf("%d-%d sectors,depth %d,%d queues", w.Least, w.Most, w.Depth, w.Queues)
}
