// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"fmt"
	"os"
	"syscall"

	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
	"zqublkd/uring"
)

// diskInFile keeps its bytes in a file. A tag has the next 4 KiB of the buffers.
type diskInFile struct {
	fd      int
	buffers *uring.Mem
}

// The steps a request goes through; Done is told which one has ended.
const (
	stepRead = iota
	stepFetch
	stepWrite
	stepSync
)

func (d diskInFile) buffer(q *ublk.Queue, tag uint16) []byte {
	return d.buffers.Bytes()[int(tag)*4096:][:q.Desc(tag).Bytes()]
}

func (d diskInFile) Request(q *ublk.Queue, tag uint16) {
	switch r := q.Desc(tag); r.Op() {
	case ublk.OpRead:
		q.ReadFile(tag, stepRead, d.fd, d.buffer(q, tag), r.Offset())
	case ublk.OpWrite:
		q.WriteFromRequest(tag, stepFetch, stepWrite, 0, d.buffer(q, tag), d.fd, r.Offset())
	case ublk.OpFlush:
		q.SyncFile(tag, stepSync, d.fd)
	default:
		q.Fail(tag, syscall.EOPNOTSUPP)
	}
}

func (d diskInFile) Done(q *ublk.Queue, tag uint16, step uint8, res int32) {
	switch {
	case res < 0:
		q.Fail(tag, syscall.Errno(-res))
	case step == stepSync:
		q.CompleteOK(tag)
	case uint64(res) < q.Desc(tag).Bytes(): // the file is shorter than the disk
		q.Fail(tag, syscall.EIO)
	case step == stepRead:
		q.CompleteRead(tag, stepFetch, d.buffer(q, tag))
	default:
		q.CompleteOK(tag)
	}
}

func (d diskInFile) Woken(*ublk.Queue) {}

// A disk in a file, read, written and synced on the queue's own ring: no other thread is needed,
// and a FLUSH makes durable what was answered before it.
func ExampleQueue_SyncFile() {
	f, err := os.CreateTemp("", "disk")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := f.Truncate(1 << 20); err != nil {
		fmt.Println(err)
		return
	}
	mem, err := uring.NewMem(4 * 4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mem.Free()
	s, err := ublktest.Serve(1, 4, 0, ublk.QueueOptions{}, diskInFile{int(f.Fd()), mem})
	if err != nil {
		fmt.Println(err)
		return
	}
	block := make([]byte, 4096)
	copy(block, "hello")
	fmt.Println("wrote", s.Do(0, ublk.NewIODesc(ublk.OpWrite, 0, 16, 8), block).Result, "bytes")
	fmt.Println("flushed:", s.Do(0, ublk.NewIODesc(ublk.OpFlush, 0, 0, 0), nil).Result)
	clear(block)
	fmt.Println("read", s.Do(0, ublk.NewIODesc(ublk.OpRead, 0, 16, 8), block).Result, "bytes:", string(block[:5]))
	word := make([]byte, 5)
	f.ReadAt(word, 16*ublk.SectorBytes)
	fmt.Println("the file has", string(word))
	fmt.Println(s.End())
	// Output:
	// wrote 4096 bytes
	// flushed: 0
	// read 4096 bytes: hello
	// the file has hello
	// <nil>
}
