// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
)

// fileDisk serves a disk from a file: WRITE is [copy -> file], READ is file, then [copy -> answer].
// Each tag has the next bytes of mem.
func fileDisk(fd int, depth, bytes int, mem []byte) *scripted {
	buf := func(q *ublk.Queue, tag uint16) []byte {
		return mem[(q.ID()*depth+int(tag))*bytes:][:q.Desc(tag).Bytes()]
	}
	return &scripted{
		request: func(q *ublk.Queue, tag uint16, r ublk.IODesc) {
			switch r.Op() {
			case ublk.OpRead:
				q.ReadFile(tag, 1, fd, buf(q, tag), r.Offset())
			case ublk.OpWrite:
				q.CopyFromRequest(tag, 2, 0, buf(q, tag))
				q.LinkNext()
				q.WriteFile(tag, 3, fd, buf(q, tag), r.Offset())
			case ublk.OpFlush:
				q.SyncFile(tag, 4, fd)
			}
		},
		done: func(q *ublk.Queue, tag uint16, step uint8, res int32) {
			switch {
			case res < 0:
				q.Fail(tag, syscall.Errno(-res))
			case step == 1:
				q.CopyToRequest(tag, 5, 0, buf(q, tag))
				q.LinkNext()
				q.CompleteOK(tag)
			default:
				q.CompleteOK(tag)
			}
		},
	}
}

func TestServeFile(t *testing.T) {
	for _, c := range []struct {
		name  string
		known int // bytes of its buffers that the ring is told of
	}{{"no memory told of", 0}, {"some, and part of a buffer", 3*4096 + 512}, {"all", 2 * 8 * 4096}} {
		t.Run(c.name, func(t *testing.T) { serveFile(t, c.known) })
	}
}

func serveFile(t *testing.T, known int) {
	const block, perWorker, workers = 4096, 40, 12
	f, err := os.CreateTemp(t.TempDir(), "disk")
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(workers*perWorker*block))
	mem := buffer(t, 2*8*block)
	r := serveWith(t, 2, 8, fileDisk(int(f.Fd()), 8, block, mem), ublk.QueueOptions{Memory: mem[:known]})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rnd := rand.NewChaCha8([32]byte{byte(w)})
			out, in := make([]byte, block), make([]byte, block)
			for i := range perWorker {
				rnd.Read(out)
				sector := uint64(w*perWorker+i) * block / 512
				if a := r.Do((w+i)%2, write(sector, block/512), out); a.Result != block {
					t.Errorf("write: %+v", a)
				}
				if a := r.Do(i%2, read(sector, block/512), in); a.Result != block || !bytes.Equal(in, out) {
					t.Errorf("read: %+v, equal %v", a, bytes.Equal(in, out))
				}
			}
			if a := r.Do(0, ublk.NewIODesc(ublk.OpFlush, 0, ^uint64(0), 0), nil); a.Result != 0 {
				t.Errorf("flush: %+v", a)
			}
		})
	}
	wg.Wait()
	r.end(t)
	if len(r.panics) > 0 {
		t.Error(r.panics)
	}
}

// TestBrokenChainIsAnsweredOnce links a step that fails before an answer: Done comes for it alone,
// and answers.
func TestBrokenChainIsAnsweredOnce(t *testing.T) {
	buf := buffer(t, 4096)
	var steps []uint8
	h := &scripted{
		request: func(q *ublk.Queue, tag uint16, r ublk.IODesc) {
			q.SQE(tag, 1)
			q.LinkNext()
			q.ReadFile(tag, 2, -1, buf, 0) // no such file
			q.LinkNext()
			q.CopyToRequest(tag, 3, 0, buf)
			q.LinkNext()
			q.CompleteOK(tag)
		},
		done: func(q *ublk.Queue, tag uint16, step uint8, res int32) {
			steps = append(steps, step)
			q.Fail(tag, syscall.Errno(-res))
		},
	}
	r := serve(t, 1, 4, h)
	for range 20 {
		if a := r.Do(0, read(0, 8), make([]byte, 4096)); a.Errno() != syscall.EBADF {
			t.Errorf("answer %+v", a)
		}
	}
	r.end(t)
	if want := bytes.Repeat([]byte{2}, 20); !bytes.Equal(steps, want) {
		t.Errorf("steps done: %v", steps)
	}
}

func TestAppendAndReport(t *testing.T) {
	zones := []ublk.BlkZone{{Start: 0, Len: 8, Capacity: 8, Type: ublk.ZoneConventional}, {Start: 8, Len: 8, WP: 8, Capacity: 8, Type: ublk.ZoneSequential, Cond: ublk.CondEmpty}}
	h := &scripted{request: func(q *ublk.Queue, tag uint16, r ublk.IODesc) {
		switch r.Op() {
		case ublk.OpZoneAppend:
			q.CompleteAppend(tag, int32(r.Bytes()), r.StartSector()+3)
		case ublk.OpReportZones:
			b := make([]byte, r.Bytes())
			n := ublk.ReportZones(b, zones)
			if _, e := q.CopyToRequestNow(tag, 0, b[:n]); e != 0 {
				panic(e)
			}
			q.Complete(tag, int32(n))
		default:
			q.Complete(tag, 0)
		}
	}}
	r := serve(t, 1, 2, h)
	if a := r.Do(0, ublk.NewIODesc(ublk.OpZoneAppend, 0, 8, 2), make([]byte, 1024)); a.Result != 1024 || a.Sector != 11 {
		t.Errorf("append: %+v", a)
	}
	b := make([]byte, 128)
	if a := r.Do(0, ublk.NewIODesc(ublk.OpReportZones, 0, 0, 2), b); a.Result < 128 {
		t.Errorf("report: %+v", a)
	}
	if z, err := ublk.DecodeBlkZone(b[64:]); err != nil || z != zones[1] {
		t.Errorf("zone 1 is %+v (%v)", z, err)
	}
	if a := r.Do(0, ublk.NewIODesc(ublk.OpZoneReset, 0, 8, 0), nil); a.Result != 0 {
		t.Errorf("reset: %+v", a)
	}
	r.end(t)
}

// TestManySubmissions queues far more SQEs than the ring holds; chains among them stay whole.
func TestManySubmissions(t *testing.T) {
	buf := buffer(t, 4096)
	var done atomic.Int32
	h := &scripted{request: func(q *ublk.Queue, tag uint16, r ublk.IODesc) {
		for range 30 {
			for i := range 16 { // the longest chain
				q.CopyToRequest(tag, 1, 0, buf)
				if i < 15 {
					q.LinkNext()
				}
			}
		}
	}}
	counts := make([]int, 4)
	h.done = func(q *ublk.Queue, tag uint16, step uint8, res int32) {
		done.Add(1)
		if res != 4096 {
			t.Errorf("step: %d", res)
		}
		if counts[tag]++; counts[tag] == 30 {
			counts[tag] = 0
			q.CompleteOK(tag)
		}
	}
	r := serve(t, 1, 4, h)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if a := r.Do(0, read(0, 8), make([]byte, 4096)); a.Result != 4096 {
				t.Errorf("answer %+v", a)
			}
		})
	}
	wg.Wait()
	r.end(t)
	if done.Load() != 12*30 {
		t.Errorf("%d chains done", done.Load())
	}
}

// TestStopWaitsForAnswers stops the device while goroutines hold requests: Run ends after they are
// answered, not before.
func TestStopWaitsForAnswers(t *testing.T) {
	work := make(chan uint16, 8)
	var held sync.WaitGroup
	held.Add(4)
	var stopped atomic.Bool
	h := &scripted{request: func(q *ublk.Queue, tag uint16, r ublk.IODesc) {
		held.Done()
		time.AfterFunc(150*time.Millisecond, func() {
			for !stopped.Load() { // however late the stop comes on a busy machine
				time.Sleep(10 * time.Millisecond)
			}
			work <- tag
			q.Wake()
		})
	}, woken: func(q *ublk.Queue) {
		for len(work) > 0 {
			q.CompleteOK(<-work)
		}
	}}
	r := serve(t, 1, 4, h)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if a := r.Do(0, read(0, 8), make([]byte, 4096)); a.Result != 4096 {
				t.Errorf("answer %+v", a)
			}
		})
	}
	held.Wait()
	time.AfterFunc(50*time.Millisecond, func() { stopped.Store(true) })
	r.Stop()
	must(t, r.Wait())
	if !stopped.Load() {
		t.Error("ended before the requests were answered")
	}
	wg.Wait()
	must(t, r.Close())
}

// TestQuit ends a queue whose tags the driver never gives back, as on a device that was never
// started: not before the request it holds is answered.
func TestQuit(t *testing.T) {
	d, err := ublktest.New(1, 4, 0)
	must(t, err)
	device := d.Device()
	var allowed atomic.Bool
	held, ended := make(chan *ublk.Queue, 1), make(chan error)
	h := &scripted{
		request: func(q *ublk.Queue, tag uint16, _ ublk.IODesc) { held <- q },
		woken: func(q *ublk.Queue) {
			if allowed.Load() {
				q.CompleteOK(0)
			}
		},
	}
	go func() { ended <- device.Serve(0, ublk.QueueOptions{}, h, d.Attach) }()
	answer := make(chan ublktest.Answer)
	go func() { answer <- d.Do(0, read(0, 8), make([]byte, 4096)) }()
	q := <-held
	device.Quit()
	select {
	case err := <-ended:
		t.Fatalf("quit with a request held: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	allowed.Store(true)
	q.Wake()
	must(t, <-ended)
	if a := <-answer; a.Result != 4096 {
		t.Errorf("answer %+v", a)
	}
	must(t, device.Serve(0, ublk.QueueOptions{}, h, nil)) // a queue made after Quit ends at once
	must(t, d.Close())
}

func TestDriverRefusal(t *testing.T) {
	r := serve(t, 1, 4, &scripted{})
	r.Break(0, syscall.EINVAL)
	err := r.Wait()
	var qe *ublk.QueueError
	if !errors.As(err, &qe) || qe.Tag < 0 || !errors.Is(err, unix.EINVAL) {
		t.Errorf("queue ended with %v", err)
	}
	must(t, r.Close())
}
