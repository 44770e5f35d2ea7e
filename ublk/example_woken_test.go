// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"fmt"
	"syscall"

	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
)

// remoteDisk gets its blocks from elsewhere, which takes time: goroutines fetch them, and the
// queue's thread answers.
type remoteDisk struct{ fetched chan block }

// block is what a goroutine has fetched for the READ on tag.
type block struct {
	tag  uint16
	data []byte
}

func (d remoteDisk) Request(q *ublk.Queue, tag uint16) {
	r := q.Desc(tag)
	if r.Op() != ublk.OpRead {
		q.Fail(tag, syscall.EOPNOTSUPP)
		return
	}
	go func() { // here a queue's methods are not to be called, but for Wake and the copies Now
		var data []byte
		if r.Offset() == 0 {
			data = append(make([]byte, 0, r.Bytes()), "hello"...)
		}
		d.fetched <- block{tag, data}
		q.Wake()
	}()
}

func (d remoteDisk) Done(*ublk.Queue, uint16, uint8, int32) {}

func (d remoteDisk) Woken(q *ublk.Queue) {
	for len(d.fetched) > 0 {
		b := <-d.fetched
		q.Handling(b.tag)
		if _, e := q.CopyToRequestNow(b.tag, 0, b.data[:q.Desc(b.tag).Bytes()]); e != 0 {
			q.Fail(b.tag, e)
			continue
		}
		q.CompleteOK(b.tag)
	}
}

// Requests whose answers goroutines bring. Woken says which request it is at, so that a panic
// costs that one alone: here the second, for which nothing was fetched.
func ExampleQueue_Handling() {
	var what []ublk.Panic
	o := ublk.QueueOptions{OnPanic: func(p ublk.Panic) { what = append(what, p) }}
	s, err := ublktest.Serve(1, 4, 0, o, remoteDisk{make(chan block, 4)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, sector := range []uint64{0, 8, 0} {
		data := make([]byte, 4096)
		a := s.Do(0, ublk.NewIODesc(ublk.OpRead, 0, sector, 8), data)
		if a.Result < 0 {
			fmt.Printf("sector %d: %v\n", sector, a.Errno())
			continue
		}
		fmt.Printf("sector %d: %s\n", sector, data[:5])
	}
	fmt.Println(s.End(), len(what), "panic:", what[0].Request)
	// Output:
	// sector 0: hello
	// sector 8: input/output error
	// sector 0: hello
	// <nil> 1 panic: READ 8 sectors at sector 8
}
