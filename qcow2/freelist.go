// SPDX-License-Identifier: Apache-2.0

package qcow2

import "sync"

// freeList holds clusters nothing in memory refers to any more. Their refcounts
// drop only after the write that removed the reference is durable: were they
// reused before, a crash could bring the old reference back to life.
type freeList struct {
	mu   sync.Mutex
	dead []run
}

func (l *freeList) add(x run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = append(l.dead, x)
}

// take empties the list; the caller syncs and then releases what it got.
func (l *freeList) take() []run {
	l.mu.Lock()
	defer l.mu.Unlock()
	dead := l.dead
	l.dead = nil
	return dead
}

// release gives clusters back for which take and a Datasync were done. Those it
// can't give back stay leaks.
func (i *Image) release(dead []run) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.freeLock.Lock()
	defer i.freeLock.Unlock()
	i.unpacked.forget()
	i.changing(func() error {
		for _, x := range dead {
			if err := i.refs.drop(x); err != nil {
				i.leaky = true
				i.corrupted(err)
			}
		}
		return nil
	})
}
