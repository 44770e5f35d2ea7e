// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"testing"
	"time"

	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
)

// TestWakesAreNotLost has many goroutines hand in work; each piece is seen.
func TestWakesAreNotLost(t *testing.T) {
	work := make(chan int, 100)
	seen := 0
	all := make(chan struct{})
	h := &scripted{woken: func(q *ublk.Queue) {
		for len(work) > 0 {
			<-work
			if seen++; seen == 20000 {
				close(all)
			}
		}
	}}
	d, err := ublktest.New(1, 1, 0)
	must(t, err)
	ready, ended := make(chan *ublk.Queue, 1), make(chan error)
	go func() {
		ended <- d.Device().Serve(0, ublk.QueueOptions{}, h, func(q *ublk.Queue) { d.Attach(q); ready <- q })
	}()
	q := <-ready
	for range 20 {
		go func() {
			for range 1000 {
				work <- 1
				q.Wake()
			}
		}()
	}
	select {
	case <-all:
	case <-time.After(10 * time.Second):
		t.Fatal("work was left lying")
	}
	d.Stop()
	must(t, <-ended)
	for range 10 {
		q.Wake() // after Close: nothing happens
	}
	must(t, d.Close())
}
